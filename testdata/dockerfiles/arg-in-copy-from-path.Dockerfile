# The path below a stage holds variables, the stage's name none.
ARG NAME=app
FROM alpine AS build
ARG NAME
RUN touch /$NAME
FROM scratch
ARG NAME
COPY --from=build /${NAME} /bin/
