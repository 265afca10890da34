# syntax=docker/dockerfile:1
# Secrets as files and as variables, one of them required.
FROM python:3.13
RUN --mount=type=secret,id=netrc,target=/root/.netrc,required \
    --mount=type=secret,id=PIP_INDEX_URL,env=PIP_INDEX_URL \
    pip install private-package
