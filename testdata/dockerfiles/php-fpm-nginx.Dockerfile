# PHP with extensions, composer from its image, and two final stages.
FROM php:8.3-fpm-alpine AS php
RUN apk add --no-cache --virtual .build-deps $PHPIZE_DEPS icu-dev \
	&& docker-php-ext-install -j"$(nproc)" intl opcache pdo_mysql \
	&& apk del .build-deps
COPY --from=composer:2 /usr/bin/composer /usr/local/bin/composer
WORKDIR /app
COPY composer.* ./
RUN composer install --no-dev --no-scripts --prefer-dist
COPY . .
RUN composer dump-autoload --classmap-authoritative

FROM nginx:1.27-alpine AS web
COPY docker/nginx.conf /etc/nginx/conf.d/default.conf
COPY --from=php /app/public /app/public
