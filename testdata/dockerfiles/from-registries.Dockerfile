# References of all forms.
FROM localhost:5000/acme/base:1.0 AS a
FROM 127.0.0.1:5000/base AS b
FROM registry.example.org/team/project/image:tag-with.dots_and-dashes AS c
FROM ghcr.io/acme/base@sha256:8a1f59ffb675680d47db6337b49d22281a139e9d709335b492be023728e11715 AS d
FROM docker.io/library/debian:12 AS e
FROM acme/tool AS f
FROM debian:bookworm-20250610-slim@sha256:8a1f59ffb675680d47db6337b49d22281a139e9d709335b492be023728e11715
