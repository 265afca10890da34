# Platforms of all forms.
FROM --platform=linux/amd64 alpine AS a
FROM --platform=$TARGETPLATFORM alpine AS b
FROM --platform=${BUILDPLATFORM} alpine AS c
FROM --platform=linux/arm/v7 alpine AS d
FROM --platform=linux/${TARGETARCH} alpine AS e
FROM --platform=arm64 alpine
