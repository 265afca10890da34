# A Salt minion, with its key copied in.
FROM debian:12
ARG SALT_VERSION
ENV DEBIAN_FRONTEND noninteractive
RUN apt-get update && apt-get -y install curl gnupg \
  && curl -fsSL https://packages.broadcom.com/artifactory/api/security/keypair/SaltProjectKey/public > /etc/apt/keyrings/salt.pgp \
  && apt-get update && apt-get -y install salt-minion${SALT_VERSION:+=$SALT_VERSION}
ADD minion /etc/salt/minion
ADD minion.pem minion.pub /etc/salt/pki/minion/
CMD ["salt-minion", "-l", "info"]
