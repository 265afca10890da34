# A heredoc with line ends of Windows.
FROM alpine
RUN <<EOF
echo a

echo b
EOF
COPY <<-x /x
	y
	x
CMD ["sh"]
