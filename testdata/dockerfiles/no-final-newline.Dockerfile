# The file ends without a line end.
FROM alpine
CMD ["sh"]