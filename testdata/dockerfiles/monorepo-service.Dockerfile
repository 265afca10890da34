# A service of a monorepo built on an image of the same project.
ARG BASE=ghcr.io/acme/base:latest
FROM ${BASE} AS build
ARG SERVICE
WORKDIR /src
COPY libs ./libs
COPY services/${SERVICE} ./services/${SERVICE}
RUN make -C services/${SERVICE} install DESTDIR=/out
FROM ghcr.io/acme/runtime
ARG SERVICE
COPY --from=build /out /
CMD exec ${SERVICE}
LABEL service=${SERVICE}
