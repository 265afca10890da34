# Mount values in quotes, and a path with a comma.
FROM alpine
RUN --mount="type=bind,source=a,target=/a" true
RUN --mount=type=bind,source="b",target='/b' true
RUN --mount=type=cache,\"target=/with,comma\" true
