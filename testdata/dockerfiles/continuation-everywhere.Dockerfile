# Continuations inside a keyword's arguments, inside words, inside quotes.
FROM \
  alp\
ine:\
3.22 \
  AS \
  base
ENV A="one \
two" B=thr\
ee
LABEL \
  a=b \
  c=d
COPY \
  --chown=1:1 \
  from \
  to
