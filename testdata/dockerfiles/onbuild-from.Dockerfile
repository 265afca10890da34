# A trigger that copies from a stage and from an image.
FROM alpine AS tools
RUN touch /tool
FROM alpine AS base
ONBUILD COPY --from=tools /tool /tool
ONBUILD COPY --from=busybox:1.37 /bin/busybox /bin/
FROM base
RUN /tool
