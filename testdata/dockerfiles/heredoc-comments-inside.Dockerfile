# Comments and empty lines inside a heredoc stay.
FROM alpine
RUN <<EOF
# a comment of the shell

echo "# not a comment"
  # indented

EOF
