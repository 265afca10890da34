# escape=`
# A byte order mark before a directive.
FROM alpine
RUN a `
 b
