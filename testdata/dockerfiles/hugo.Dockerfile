# Hugo: the site is made by one image and served by another.
FROM hugomods/hugo:0.147.8 AS site
ARG BASE_URL="https://example.org/"
COPY . /src
RUN hugo --minify --baseURL "${BASE_URL}"
FROM caddy:2-alpine
COPY --from=site /src/public /usr/share/caddy
