# Django with static files collected at build time and a multi-line ENV.
FROM python:3.12
LABEL maintainer="Web Team <web@example.org>"
ENV DJANGO_SETTINGS_MODULE=shop.settings.production \
    SECRET_KEY=build-only \
    STATIC_ROOT=/static
COPY requirements /requirements
RUN set -ex; \
	pip install -r /requirements/production.txt; \
	adduser --disabled-password --gecos '' django
COPY . /srv
WORKDIR /srv
RUN python manage.py collectstatic --noinput
VOLUME ["/static", "/media"]
USER django
CMD exec gunicorn shop.wsgi:application --bind 0.0.0.0:8000 --workers "${WORKERS:-4}"
