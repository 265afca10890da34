# A carriage return inside a line is white space between words.
FROM alpine
COPY ab c/
RUN echo ab
