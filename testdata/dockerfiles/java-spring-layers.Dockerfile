# Spring Boot's layers, each copied on its own.
FROM eclipse-temurin:21-jdk AS extract
ARG JAR_FILE=target/*.jar
WORKDIR /extract
COPY ${JAR_FILE} application.jar
RUN java -Djarmode=tools -jar application.jar extract --layers --destination out

FROM eclipse-temurin:21-jre
RUN useradd --system spring
USER spring:spring
WORKDIR /application
COPY --from=extract /extract/out/dependencies/ ./
COPY --from=extract /extract/out/spring-boot-loader/ ./
COPY --from=extract /extract/out/snapshot-dependencies/ ./
COPY --from=extract /extract/out/application/ ./
ENV JAVA_OPTS=""
ENTRYPOINT exec java $JAVA_OPTS -jar application.jar
