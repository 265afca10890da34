# Quotes that close nowhere: fine for a shell's comment, fine for COPY's words.
FROM alpine
RUN echo done # it's fine
CMD echo "never closed
