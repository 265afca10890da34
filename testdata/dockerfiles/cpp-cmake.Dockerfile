# C++ with CMake and Ninja, tests in a stage that nothing needs.
FROM gcc:14 AS build
RUN apt-get update && apt-get install -y cmake ninja-build
COPY . /src
WORKDIR /build
RUN cmake -G Ninja -DCMAKE_BUILD_TYPE=Release /src && ninja

FROM build AS test
RUN ctest --output-on-failure

FROM debian:12-slim
COPY --from=build /build/bin/engine /usr/bin/
STOPSIGNAL SIGINT
ENTRYPOINT ["engine"]
