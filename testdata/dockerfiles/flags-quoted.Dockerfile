# Quotes and escapes in flags.
FROM --platform="linux/amd64" alpine
COPY --chown="a b" --from='busybox' a b
COPY --chown=a\ b c d
HEALTHCHECK --interval="5s" CMD true
