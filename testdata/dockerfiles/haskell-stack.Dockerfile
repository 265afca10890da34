# Haskell; the binary is found by a command in a file name that a shell expands.
FROM fpco/stack-build-small:lts-22.43 AS build
WORKDIR /opt/build
COPY stack.yaml package.yaml stack.yaml.lock ./
RUN stack build --system-ghc --only-dependencies
COPY . .
RUN stack build --system-ghc
RUN mv "$(stack path --local-install-root --system-ghc)/bin" /opt/build/bin
FROM ubuntu:24.04
COPY --from=build /opt/build/bin .
CMD ["/root/service-exe"]
