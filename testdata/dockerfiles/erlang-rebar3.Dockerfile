# A chain of three stages by name, the last one without a name.
FROM erlang:27-alpine AS deps
WORKDIR /build
COPY rebar.config rebar.lock ./
RUN rebar3 get-deps
FROM deps AS release
COPY . .
RUN rebar3 as prod release
FROM alpine:3.22
RUN apk add --no-cache openssl ncurses-libs libstdc++
COPY --from=release /build/_build/prod/rel/node /node
CMD ["/node/bin/node", "foreground"]
