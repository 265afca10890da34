# windlass itself, and nothing else: one static program and the certificates that registries are trusted by.
#
#     scripts/static && windlass build        or        scripts/static && docker build .
#
# The program comes from the context, so that this image needs no other one: it builds with no network, and the program
# in it is the one that was tested. There is no git in it: images with a git source need one that has.
FROM scratch
COPY dist/ca-certificates.crt /etc/ssl/certs/ca-certificates.crt
COPY dist/windlass /usr/bin/windlass
ENV PATH=/usr/bin
WORKDIR /work
ENTRYPOINT ["/usr/bin/windlass"]
