# Comments between the lines of an instruction are no part of it.
FROM debian:12
RUN apt-get update && \
    # the compiler
    apt-get install -y gcc && \
# at the start of a line
    apt-get install -y make \
    # the last line is a comment

CMD ["bash"]
