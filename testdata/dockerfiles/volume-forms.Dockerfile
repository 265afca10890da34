# VOLUME in JSON and as words.
FROM alpine
VOLUME /a /b /c
VOLUME ["/d"]
VOLUME /e
