# Two stages of one name: COPY takes the last one.
FROM alpine AS a
RUN touch /first
FROM alpine AS a
RUN touch /second
FROM scratch
COPY --from=a / /
