# Tabs, blanks before keywords, many blanks between words.
   FROM	alpine   AS	 base   
	RUN  echo   a
  ENV	 A=1	B=2  
 COPY   a    b   c/   
LABEL   x  =  y
