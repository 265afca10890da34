# SYNTAX=docker/dockerfile:1
# Escape=\
# Names of directives have no case.
FROM alpine
