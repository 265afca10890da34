# JSON in a heredoc with brackets, braces and quotes.
FROM alpine
COPY <<"package.json" /app/package.json
{
  "name": "demo",
  "scripts": { "start": "node ${MAIN}" },
  "files": ["a", "b"]
}
package.json
