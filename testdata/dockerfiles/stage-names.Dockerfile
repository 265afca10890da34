# Names of stages: case, digits, dots, dashes, underscores.
FROM alpine AS Builder
FROM alpine AS build-1.2_x
COPY --from=BUILDER /a /a
COPY --from=builder /b /b
FROM build-1.2_x
COPY --from=Build-1.2_X /c /c
