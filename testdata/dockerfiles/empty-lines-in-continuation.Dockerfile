# Empty lines between the lines of an instruction: deprecated, and still found.
FROM debian:12
RUN echo one && \

    echo two && \
   
    echo three
CMD ["bash"]
