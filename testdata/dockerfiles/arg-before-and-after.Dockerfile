# An argument between stages belongs to the stage above it.
FROM alpine AS a
ARG X=1
FROM alpine AS b
ARG X
RUN echo "$X"
