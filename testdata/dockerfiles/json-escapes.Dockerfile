# Escapes of JSON: quotes, backslashes, slashes, Unicode.
FROM alpine
RUN ["echo", "a \"quoted\" word", "back\\slash", "\/slash", "tab\there", "\u00e9\ud83d\udea2"]
CMD ["printf", "%s\n", "\u0041"]
