# A heredoc in a pipeline with more commands behind it.
FROM alpine
RUN <<EOF cat | tr a-z A-Z > /shout
quiet
EOF
