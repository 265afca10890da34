# Several heredocs on one line, in the order of their openers.
FROM alpine
COPY <<robots.txt <<humans.txt /usr/share/nginx/html/
User-agent: *
Disallow: /
robots.txt
We are humans: https://humanstxt.org
humans.txt
RUN cat <<A && cat <<B
a
A
b
B
