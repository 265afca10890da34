# A heredoc behind ONBUILD.
FROM alpine
ONBUILD RUN <<EOF
echo built upon
EOF
ONBUILD COPY <<marker /marker
child
marker
