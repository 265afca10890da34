# Variables in sources, destinations and flags.
FROM alpine
ARG VERSION=1.2.3
ARG OWNER=1000
ENV DIR=/opt
ADD https://example.org/v${VERSION}/app-${VERSION%.*}.tgz ${DIR}/
COPY --chown=${OWNER}:$OWNER --chmod=${MODE:-755} app-$VERSION $DIR/
COPY ["with blank $VERSION", "$DIR/"]
COPY \$literal '$quoted' "$VERSION" /q/
