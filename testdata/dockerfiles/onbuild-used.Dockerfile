# A stage with triggers and a stage that sets them off.
FROM node:22 AS onbuild
ONBUILD COPY package.json /app/
ONBUILD RUN cd /app && npm install
ONBUILD COPY . /app

FROM onbuild AS app
CMD ["node", "/app"]

FROM app AS child-of-app
RUN true
