# A blank between the arrows and the name.
FROM alpine
RUN cat << EOF
a blank before the name
EOF
