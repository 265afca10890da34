# Line ends of both kinds.
FROM alpine
RUN a \
 b \
 c
RUN d \

 e
