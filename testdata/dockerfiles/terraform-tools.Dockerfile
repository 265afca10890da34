# Several tools at fixed versions, each from its own image.
FROM hashicorp/terraform:1.12.2 AS terraform
FROM alpine/helm:3.18.2 AS helm
FROM bitnami/kubectl:1.33 AS kubectl
FROM alpine:3.22
COPY --from=terraform /bin/terraform /usr/local/bin/
COPY --from=helm /usr/bin/helm /usr/local/bin/
COPY --from=kubectl /opt/bitnami/kubectl/bin/kubectl /usr/local/bin/
COPY --from=mikefarah/yq:4 /usr/bin/yq /usr/local/bin/
ENTRYPOINT ["/bin/sh"]
