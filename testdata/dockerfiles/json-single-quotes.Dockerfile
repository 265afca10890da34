# Single quotes make no JSON: this is text for a shell.
FROM alpine
CMD ['echo', 'a']
ENTRYPOINT ["echo", 'a']
