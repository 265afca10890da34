# What looks like instructions inside a heredoc is none.
FROM alpine
COPY <<Dockerfile /Dockerfile
FROM scratch
COPY . .
RUN \
  nothing
Dockerfile
RUN echo done
