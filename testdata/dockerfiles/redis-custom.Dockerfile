# A health check in JSON form and one that is turned off.
FROM redis:7.4 AS checked
COPY redis.conf /usr/local/etc/redis/redis.conf
HEALTHCHECK CMD ["redis-cli", "ping"]
CMD [ "redis-server", "/usr/local/etc/redis/redis.conf" ]
FROM checked
HEALTHCHECK NONE
