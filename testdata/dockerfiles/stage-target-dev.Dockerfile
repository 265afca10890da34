# A development target beside the production one.
FROM golang:1.24 AS base
WORKDIR /src
FROM base AS dev
RUN go install github.com/air-verse/air@latest
CMD ["air"]
FROM base AS build
COPY . .
RUN go build -o /bin/app
FROM gcr.io/distroless/base AS prod
COPY --from=build /bin/app /
ENTRYPOINT ["/app"]
