# Mounts from images, also one with a port and a digest.
FROM alpine
RUN --mount=from=busybox:1.37,source=/bin,target=/busybox /busybox/busybox true
RUN --mount=type=bind,from=registry.example.org:5000/tools@sha256:8a1f59ffb675680d47db6337b49d22281a139e9d709335b492be023728e11715,target=/tools true
