# Arguments: global ones, ones of a stage, ones that are declared again.
ARG GLOBAL=from-global
ARG SHARED=global-default
FROM alpine AS one
RUN echo "GLOBAL is not seen here: '$GLOBAL'"
ARG GLOBAL
ARG SHARED=stage-default
RUN echo $GLOBAL $SHARED
FROM one AS two
RUN echo $GLOBAL $SHARED
FROM alpine
ARG SHARED
ARG ONLY_HERE=x
RUN echo $SHARED $ONLY_HERE
