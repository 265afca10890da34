# Windows paths with the usual escape character: a backslash at the end of a line continues it.
FROM mcr.microsoft.com/windows/nanoserver:ltsc2022
COPY testfile.txt c:\\
RUN dir c:\
