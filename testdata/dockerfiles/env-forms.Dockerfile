# ENV in both forms, with quotes and escapes.
FROM alpine
ENV OLD this is   one value with   blanks
ENV OLD2 "quotes stay in the old form"
ENV A=1 B="two words" C=two\ words D='single $A' E=
ENV F="a\"b" G='a"b' H=a\"b
ENV PATH=/opt/bin:$PATH
ENV I=$A$B J=${A}${B} K="$A-$B"
