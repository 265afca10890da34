# OpenResty, with a configuration that has many dollars.
FROM openresty/openresty:1.27.1.1-alpine
RUN apk add --no-cache gettext
COPY nginx.conf.template /etc/nginx/
ENV WORKERS=auto BACKEND="http://api:8080"
CMD envsubst '$WORKERS $BACKEND' < /etc/nginx/nginx.conf.template > /usr/local/openresty/nginx/conf/nginx.conf \
    && exec openresty -g 'daemon off;'
