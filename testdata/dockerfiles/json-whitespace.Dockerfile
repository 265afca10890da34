# White space inside JSON arrays.
FROM alpine
RUN [ "echo" , "a b" ,	"c" ]
CMD   ["sh"]  
ENTRYPOINT [""]
VOLUME [ "/a" , "/b c" ]
