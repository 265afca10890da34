# The last line is continued by nothing.
FROM alpine
RUN echo a \
