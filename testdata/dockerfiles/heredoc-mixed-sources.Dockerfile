# A heredoc between paths, and a flag before them.
FROM alpine
COPY --chown=1:1 --chmod=0644 first <<second third/ /etc/app/
this is second
second
ADD <<motd /etc/motd
Welcome.
motd
