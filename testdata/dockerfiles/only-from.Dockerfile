# One line.
FROM alpine
