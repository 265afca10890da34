# sbt with a property list as one word.
FROM sbtscala/scala-sbt:eclipse-temurin-21.0.6_7_1.10.11_3.6.4 AS build
COPY . /root/app
WORKDIR /root/app
RUN sbt -Dsbt.color=false "set assembly / test := {}" clean assembly
FROM eclipse-temurin:21-jre-alpine
COPY --from=build /root/app/target/scala-3.6.4/app.jar /
CMD java $JVM_OPTS -jar /app.jar
