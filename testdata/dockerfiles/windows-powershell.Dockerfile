# escape=`
# PowerShell as the shell, back to cmd, and variables of both.
FROM mcr.microsoft.com/windows/servercore:ltsc2022 AS build
SHELL ["powershell", "-Command", "$ErrorActionPreference = 'Stop'; $ProgressPreference = 'SilentlyContinue';"]
RUN Invoke-WebRequest -Uri https://example.org/tool.zip -OutFile C:\tool.zip ; `
    Expand-Archive C:\tool.zip -DestinationPath C:\tool ; `
    Remove-Item C:\tool.zip -Force
SHELL ["cmd", "/S", "/C"]
RUN echo %PATH%
FROM mcr.microsoft.com/windows/nanoserver:ltsc2022
COPY --from=build C:\tool\ C:\tool\
USER ContainerUser
ENTRYPOINT ["C:\\tool\\tool.exe"]
