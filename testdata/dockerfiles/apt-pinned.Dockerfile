# Packages with versions, and a here-document made by printf.
FROM ubuntu:24.04
RUN apt-get update \
 && DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends \
      curl=8.5.0-2ubuntu10.6 \
      'libssl3t64=3.0.13*' \
 && printf '%s\n' 'deb [signed-by=/key.asc] https://example.org/apt stable main' > /etc/apt/sources.list.d/x.list \
 && rm -rf /var/lib/apt/lists/*
