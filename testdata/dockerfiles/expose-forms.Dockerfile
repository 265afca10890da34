# Ports, ranges, protocols, variables.
FROM alpine
ARG PORTS="7000 7001"
ENV PORT=8080
EXPOSE 80 443/tcp 53/udp 9000-9010 $PORT ${PORT}/udp
EXPOSE 3000/sctp
EXPOSE $PORTS
