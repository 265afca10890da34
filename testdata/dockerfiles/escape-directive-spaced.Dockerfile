#   escape   =   `
#   syntax=docker/dockerfile:1
# Directives with white space around everything, in any order.
FROM alpine
RUN echo a `
    b
