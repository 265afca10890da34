# ONBUILD with every instruction that it takes.
FROM python:3.13 AS base
ONBUILD ARG REQUIREMENTS=requirements.txt
ONBUILD COPY ${REQUIREMENTS} /app/
ONBUILD RUN --mount=type=cache,target=/root/.cache pip install -r /app/${REQUIREMENTS}
ONBUILD ADD . /app
ONBUILD ENV MODE=child
ONBUILD LABEL built=child
ONBUILD USER nobody
ONBUILD WORKDIR /app
ONBUILD EXPOSE 80
ONBUILD VOLUME ["/data"]
ONBUILD HEALTHCHECK CMD true
ONBUILD SHELL ["bash", "-c"]
ONBUILD STOPSIGNAL SIGINT
ONBUILD CMD ["python", "main.py"]
ONBUILD ENTRYPOINT ["python"]
