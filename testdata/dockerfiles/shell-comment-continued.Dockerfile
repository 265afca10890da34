# A hash at the end of a continued line hides the rest from the shell, not from us.
FROM alpine
RUN echo a # \
    && echo b
