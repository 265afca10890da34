# A directive behind a comment is a comment.
# escape=`
FROM alpine
RUN echo a \
    b `
