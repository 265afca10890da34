# A heredoc with nothing in it, in the last line of the file.
FROM scratch
COPY <<.keep /data/
.keep
