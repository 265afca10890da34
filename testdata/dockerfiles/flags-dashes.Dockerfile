# Two dashes end the flags.
FROM alpine
RUN -- --not-a-flag
RUN --mount=type=tmpfs,target=/t -- ls --all
COPY -- --odd-name /x
