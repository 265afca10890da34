# Letters of many languages in values, paths and comments: 漢字, ñ, é, 🚢.
FROM alpine
LABEL description="Größe: 漢字 🚢" autor=Jürgen
ENV GREETING="Здравствуй, мир"
COPY données/fichier.txt /données/
RUN echo '🚀 done'
