# Form feeds and vertical tabs are white space.
FROMalpine
RUNecho a
COPY ab c/
