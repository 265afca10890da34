# Rust for musl, the target triple chosen from the platform by a shell.
FROM --platform=$BUILDPLATFORM rust:1.88 AS build
ARG TARGETPLATFORM
RUN case "$TARGETPLATFORM" in \
      linux/amd64) echo x86_64-unknown-linux-musl ;; \
      linux/arm64) echo aarch64-unknown-linux-musl ;; \
      *) echo "unsupported: $TARGETPLATFORM" >&2; exit 1 ;; \
    esac > /target \
 && rustup target add "$(cat /target)"
COPY Cargo.toml Cargo.lock /src/
COPY src /src/src
RUN cd /src && cargo build --release --target "$(cat /target)" \
 && cp "target/$(cat /target)/release/tool" /tool
FROM scratch
COPY --from=build /tool /
ENTRYPOINT [ "/tool" ]
