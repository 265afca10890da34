# References made of arguments in many ways.
ARG REGISTRY=docker.io
ARG REPO=library/debian
ARG TAG=12
ARG FULL=${REGISTRY}/${REPO}:${TAG}
ARG SUFFIX
FROM ${REGISTRY}/${REPO}:${TAG}-slim AS a
FROM $FULL AS b
FROM ${REGISTRY:+$REGISTRY/}debian:${TAG}${SUFFIX:+-$SUFFIX} AS c
FROM "${REPO}:${TAG}" AS d
FROM ${MISSING:-alpine}:${TAG/12/3.22}
