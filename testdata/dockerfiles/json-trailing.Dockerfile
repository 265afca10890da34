# Text behind a JSON array makes all of it text for a shell.
FROM alpine
CMD ["echo", "a"] more
