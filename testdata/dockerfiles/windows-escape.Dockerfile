# escape=`
# Windows paths: the escape character is a backtick.
FROM mcr.microsoft.com/windows/nanoserver:ltsc2022
COPY testfile.txt c:\
WORKDIR C:\app
RUN dir c:\ && `
    echo done
ENV PATH="C:\tools;C:\Windows\System32"
