# COPY and ADD with JSON: names with blanks.
FROM alpine
COPY ["a file", "another file", "/a folder/"]
ADD ["x.tar", "/"]
COPY --chown=1:2 ["with flag", "/to"]
VOLUME ["/data", "/with blank"]
