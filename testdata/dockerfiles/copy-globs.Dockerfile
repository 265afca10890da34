# Patterns, folders, and names with brackets.
FROM alpine
COPY hom* /mydir/
COPY hom?.txt /mydir/
COPY arr[[]0].txt /mydir/
COPY [!a]*.txt /mydir/
COPY ./a/ ../b /c /mydir/
COPY . .
