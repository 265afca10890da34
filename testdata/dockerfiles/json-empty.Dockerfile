# Empty arrays reset what the base said.
FROM alpine
ENTRYPOINT []
CMD []
