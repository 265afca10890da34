# An instruction of twenty lines.
FROM quay.io/strimzi/kafka:0.46.0-kafka-4.0.0
USER root:root
RUN mkdir -p \
    /opt/kafka/plugins/a \
    /opt/kafka/plugins/b \
    /opt/kafka/plugins/c \
    /opt/kafka/plugins/d \
    /opt/kafka/plugins/e \
    /opt/kafka/plugins/f \
    /opt/kafka/plugins/g \
    /opt/kafka/plugins/h \
    /opt/kafka/plugins/i \
    /opt/kafka/plugins/j
COPY ./plugins/ /opt/kafka/plugins/
USER 1001
