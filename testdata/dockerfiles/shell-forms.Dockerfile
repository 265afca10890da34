# SHELL changed several times.
FROM ubuntu
SHELL ["/bin/bash", "-euo", "pipefail", "-c"]
RUN wget -O - https://example.org | wc -l > /number
SHELL ["/bin/sh", "-c"]
RUN true
