# A database with init scripts and a health check.
FROM postgres:17-alpine
ENV POSTGRES_DB shop
ENV POSTGRES_USER shop
COPY *.sql /docker-entrypoint-initdb.d/
HEALTHCHECK --interval=10s --timeout=5s --retries=5 --start-period=1m --start-interval=2s \
  CMD pg_isready -U "$POSTGRES_USER" -d "$POSTGRES_DB" || exit 1
VOLUME /var/lib/postgresql/data
