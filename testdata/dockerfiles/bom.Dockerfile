# A byte order mark at the start.
FROM alpine
CMD ["sh"]
