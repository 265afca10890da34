# Dollars that are no variables.
FROM alpine
ENV A=$ B=$$ C=a$ D="$" E=$1 F=$@
RUN echo $ $$ $1 ${10} $@ $* $# $? $! $-
ENV G=\$A H="\$A" I='\$A'
