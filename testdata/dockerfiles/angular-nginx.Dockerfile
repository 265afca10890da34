# An Angular build behind nginx; the stage is called by its index.
FROM node:22
WORKDIR /app
COPY package*.json ./
RUN npm install
COPY . .
RUN npx ng build --configuration=production --output-path=/dist
FROM nginx:1.27
RUN rm -rf /usr/share/nginx/html/*
COPY --from=0 /dist /usr/share/nginx/html
