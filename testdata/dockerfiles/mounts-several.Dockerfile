# Several mounts on one instruction, before and behind other flags.
FROM golang:1.24
RUN --mount=type=cache,target=/go/pkg/mod/ \
    --mount=type=bind,source=go.sum,target=go.sum \
    --network=default \
    --mount=type=bind,source=go.mod,target=go.mod \
    go mod download -x
