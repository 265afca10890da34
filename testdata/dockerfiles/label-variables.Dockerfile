# Labels from arguments, as CI sets them.
FROM alpine
ARG GIT_SHA=unknown
ARG BUILD_DATE
ARG VERSION
LABEL org.opencontainers.image.revision=$GIT_SHA \
      org.opencontainers.image.created="${BUILD_DATE}" \
      org.opencontainers.image.version="${VERSION:-dev}"
