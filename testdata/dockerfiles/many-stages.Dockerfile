# Stages by the dozen, by name and by index.
FROM alpine AS s0
FROM s0 AS s1
FROM s1 AS s2
FROM s2 AS s3
FROM s3 AS s4
FROM s4 AS s5
FROM s5 AS s6
FROM s6 AS s7
FROM s7 AS s8
FROM s8 AS s9
FROM s9 AS s10
FROM s10 AS s11
FROM scratch
COPY --from=s11 / /
COPY --from=0 /etc/os-release /first
COPY --from=11 /etc/os-release /eleventh
