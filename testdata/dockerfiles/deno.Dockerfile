# Deno as in its own documentation: a port in a variable, a cache that warms up.
FROM denoland/deno:2.3.6
ARG PORT=1993
EXPOSE $PORT
WORKDIR /app
USER deno
COPY deps.ts .
RUN deno install --entrypoint deps.ts
ADD . .
RUN deno cache main.ts
CMD ["run", "--allow-net", "main.ts"]
