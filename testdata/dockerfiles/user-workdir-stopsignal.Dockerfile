# One-word instructions with variables and relative paths.
FROM alpine
ARG UID=1000
ENV APP=/srv/app
USER $UID:${GID:-$UID}
WORKDIR $APP
WORKDIR relative/path with blanks
STOPSIGNAL SIGQUIT
STOPSIGNAL 15
USER "quoted"
