# Brackets that are no JSON are text for a shell.
FROM alpine
RUN [ -f /etc/passwd ] && echo there
RUN [ "a" = "a" ] && echo equal
RUN [[ -n "$HOME" ]] || true
RUN ["echo", "a"
