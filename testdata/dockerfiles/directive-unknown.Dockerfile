# unknown=value
# escape=`
# An unknown directive is a comment, and ends the directives.
FROM alpine
RUN echo a \
 b
