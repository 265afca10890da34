# ENV over many lines with comments between them.
FROM alpine
ENV A=1 \
    # a comment
    B=2 \
    C="three \
four" \
    D=5
