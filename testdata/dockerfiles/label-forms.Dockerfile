# LABEL in both forms, names with dots and dashes, values with everything.
FROM alpine
LABEL "com.example.vendor"="ACME Incorporated"
LABEL com.example.label-with-value="foo"
LABEL version="1.0"
LABEL description="This text illustrates \
that label-values can span multiple lines."
LABEL multi.label1="value1" multi.label2="value2" other='value3'
LABEL old form of label
LABEL org.opencontainers.image.source=https://github.com/acme/shop?x=1&y=2
