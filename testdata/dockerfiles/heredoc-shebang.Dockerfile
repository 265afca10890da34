# syntax=docker/dockerfile:1.4
# A heredoc with a shebang runs as a file.
FROM python:3.13
RUN <<EOT
#!/usr/bin/env python
import sys
print("hello", sys.version)
EOT
