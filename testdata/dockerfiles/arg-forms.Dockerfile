# ARG with several names, quotes and empty values.
ARG A B=1 C="two words" D= E='$x'
FROM alpine
ARG A=1 B=$A C=${B}3
ARG D \
    E=5
ARG F="a=b"
