# Lower-case keywords all through, as some people like them.
from clojure:temurin-21-lein as build
workdir /app
copy project.clj .
run lein deps
copy . .
run lein uberjar
from eclipse-temurin:21-jre
copy --from=build /app/target/*-standalone.jar /app.jar
cmd ["java", "-jar", "/app.jar"]
