# Blanks behind the continuation character do not matter.
FROM alpine
RUN echo a \   
    b \	
    c
