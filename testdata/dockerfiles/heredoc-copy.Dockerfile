# Files written out in the Dockerfile, with and without variables.
FROM nginx:alpine
ARG NAME=example.org
COPY <<EOF /usr/share/nginx/html/index.html
<html><body>$NAME and \$LITERAL and ${NAME:-nobody}</body></html>
EOF
COPY <<'nginx.conf' /etc/nginx/
server { listen 80; root $document_root; }
nginx.conf
