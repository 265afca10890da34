# A hash inside an instruction is no comment.
FROM alpine
RUN echo # not a comment of the Dockerfile
ENV COLOR=#ff0000 X=a#b
LABEL a="#1"
CMD ["echo", "#"]
