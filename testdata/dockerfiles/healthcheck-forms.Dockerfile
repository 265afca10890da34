# Health checks with all flags and forms.
FROM alpine AS a
HEALTHCHECK --interval=5m --timeout=3s CMD curl -f http://localhost/ || exit 1
FROM alpine AS b
HEALTHCHECK --interval=1h2m3.5s --timeout=100ms --start-period=0 --start-interval=1s --retries=10 CMD ["true"]
FROM alpine AS c
HEALTHCHECK none
FROM alpine AS d
HEALTHCHECK   cmd   true
