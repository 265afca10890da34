# A stage that has the name of an image: below it, the stage is meant.
FROM alpine:3.22 AS debian
RUN true
FROM debian
RUN true
