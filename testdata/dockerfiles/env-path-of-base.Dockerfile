# Variables that only the base image knows.
FROM golang:1.24
ENV PATH=$GOPATH/bin:$PATH HOME=${HOME:-/root}
WORKDIR ${GOPATH}/src
COPY ${CONFIG_DIR}/app.conf /etc/
