# A toolchain fetched by ADD, unpacked by tar.
FROM alpine:3.22 AS build
ARG ZIG=0.14.1
ADD https://ziglang.org/download/${ZIG}/zig-x86_64-linux-${ZIG}.tar.xz /tmp/zig.tar.xz
RUN mkdir /zig && tar -xf /tmp/zig.tar.xz -C /zig --strip-components=1
ENV PATH=/zig:${PATH}
COPY build.zig /src/
COPY src/ /src/src/
RUN cd /src && zig build -Doptimize=ReleaseSafe
FROM scratch
COPY --from=build /src/zig-out/bin/app /app
ENTRYPOINT ["/app"]
