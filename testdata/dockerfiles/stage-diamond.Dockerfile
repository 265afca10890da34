# Two stages from one, both into the last.
FROM alpine AS base
RUN apk add build-base
FROM base AS left
RUN make left
FROM base AS right
RUN make right
FROM scratch AS join
COPY --from=left /out /left
COPY --from=right /out /right
