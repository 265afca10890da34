# Stages that the last one does not reach.
FROM node:22 AS lint
COPY . .
RUN npm run lint
FROM node:22 AS test
COPY . .
RUN npm test
FROM nginx AS final
COPY public /usr/share/nginx/html
