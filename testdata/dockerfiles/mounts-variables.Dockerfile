# Variables in mount options.
FROM alpine
ARG CACHE=/cache
ARG KIND=cache
ENV ID=build
RUN --mount=type=$KIND,id=${ID}-cache,target=$CACHE true
RUN --mount=type=bind,source=${SRC:-src},target=/src true
