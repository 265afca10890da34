# Line ends of Windows.
FROM alpine AS base
RUN echo a && \
    # a comment
    echo b
ENV A=1 \
    B=2
CMD ["sh"]
