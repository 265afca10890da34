# Empty lines and comments all over.


# one

FROM alpine

  # two

RUN true


# three

RUN false || true

