# A heredoc is the standard input of a command.
FROM python:3.13
RUN python3 <<'EOF' > /version
import platform
print(platform.python_version())
EOF
RUN bash -e <<-"END"
	echo "tabs are stripped from a heredoc with a dash"
	echo 'quoted $delimiters expand nothing'
	END
