# Files straight from images, with tags, digests and ports.
FROM alpine
COPY --from=nginx:latest /etc/nginx/nginx.conf /nginx.conf
COPY --from=127.0.0.1:5000/tools:1 /bin/tool /bin/
COPY --from=busybox@sha256:8a1f59ffb675680d47db6337b49d22281a139e9d709335b492be023728e11715 /bin/busybox /bin/
