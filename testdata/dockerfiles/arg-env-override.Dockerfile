# ENV wins over an argument of its name, and may take its value from it.
FROM ubuntu
ARG CONT_IMG_VER
ENV CONT_IMG_VER=v1.0.0
RUN echo $CONT_IMG_VER
ARG OTHER=arg
ENV OTHER=${OTHER:-v1}
RUN echo $OTHER
