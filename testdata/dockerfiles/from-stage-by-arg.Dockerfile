# An argument chooses the stage that is built on.
ARG FLAVOUR=debug
FROM alpine AS base
FROM base AS debug
RUN apk add gdb
FROM base AS release
RUN strip /app || true
FROM ${FLAVOUR} AS final
CMD ["/app"]
