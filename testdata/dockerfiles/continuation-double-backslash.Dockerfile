# Two backslashes at the end continue nothing.
FROM alpine
RUN echo a\\
RUN echo b \\\\
CMD echo c
