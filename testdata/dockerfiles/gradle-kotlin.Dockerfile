# Gradle with a cache mount that is locked, and a wrapper that is made executable.
FROM gradle:8.14-jdk21-alpine AS build
COPY --chown=gradle:gradle --chmod=755 gradlew /home/gradle/src/
COPY --chown=gradle:gradle . /home/gradle/src
WORKDIR /home/gradle/src
RUN --mount=type=cache,id=gradle,target=/home/gradle/.gradle,uid=1000,gid=1000,sharing=locked \
    ./gradlew --no-daemon shadowJar
FROM amazoncorretto:21-alpine
COPY --from=build /home/gradle/src/build/libs/*-all.jar /app.jar
CMD ["java","-jar","/app.jar"]
