FROM alpine
# A byte order mark right before FROM.
RUN true
