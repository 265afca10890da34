# One file of several, chosen by the platform.
FROM scratch
ARG TARGETOS TARGETARCH TARGETVARIANT
COPY dist/app_${TARGETOS}_${TARGETARCH}${TARGETVARIANT:+_$TARGETVARIANT} /app
ENTRYPOINT ["/app"]
