# Proxy arguments are known without being declared; platform arguments must be.
FROM alpine
RUN echo $HTTP_PROXY $https_proxy
ARG HTTP_PROXY
ARG TARGETPLATFORM
ARG BUILDPLATFORM
ARG TARGETARCH=default-wins
RUN echo $HTTP_PROXY $TARGETPLATFORM $BUILDPLATFORM $TARGETARCH
