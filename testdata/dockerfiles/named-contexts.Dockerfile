# Contexts that the caller names: they look like images here.
FROM baseapp AS base
COPY --from=docs / /docs
RUN --mount=from=assets,target=/assets cp -r /assets /out
