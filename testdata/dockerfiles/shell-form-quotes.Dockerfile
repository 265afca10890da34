# Quotes of all kinds in shell form stay as they are.
FROM alpine
RUN echo "double $HOME" 'single $HOME' \"escaped\" `date` $(date) "it's" 'say "hi"'
CMD echo "a  b" && echo 'c  d'
ENTRYPOINT exec "$0" "$@"
