# Archives unpacked by ADD and by tar, permissions set in between.
FROM alpine:3.22
ARG S6_OVERLAY_VERSION=3.2.1.0
ADD https://github.com/just-containers/s6-overlay/releases/download/v${S6_OVERLAY_VERSION}/s6-overlay-noarch.tar.xz /tmp
RUN tar -C / -Jxpf /tmp/s6-overlay-noarch.tar.xz
ADD rootfs.tar.gz /
COPY --chmod=0755 root/ /
ENTRYPOINT ["/init"]
