# White space of Unicode parts no words in paths, but it parts pairs.
FROM alpine
COPY a b /c/
RUN echo a b
ENV A=1 B=2
