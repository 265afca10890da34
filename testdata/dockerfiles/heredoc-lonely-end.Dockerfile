# The delimiter must stand alone: with a blank behind it, it is text.
FROM alpine
RUN <<EOF
EOF 
 EOF
EOFEOF
EOF
