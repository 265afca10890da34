# A heredoc for a file descriptor.
FROM alpine
RUN cat 3<<EOF <&3
three
EOF
