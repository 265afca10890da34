# Static files and nothing else.
FROM nginx:alpine
COPY dist/ /usr/share/nginx/html
