# Network and security modes, and a device.
FROM alpine
RUN --network=none ping -c1 localhost
RUN --network=host true
RUN --security=insecure cat /proc/self/status
RUN --security=sandbox true
RUN --device=vendor1.com/device=foo,required true
RUN --device=name=vendor2.com/gpu=all true
