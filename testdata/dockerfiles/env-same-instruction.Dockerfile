# Variables of one ENV see the values from before it.
FROM scratch
ENV abc=hello
ENV abc=bye def=$abc
ENV ghi=$abc
