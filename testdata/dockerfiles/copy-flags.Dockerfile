# syntax=docker/dockerfile:1.7-labs
# Every flag of COPY.
FROM alpine AS build
RUN mkdir /out
FROM alpine
COPY --from=build /out /out
COPY --chown=55:mygroup files* /somedir/
COPY --chown=bin files* /somedir/
COPY --chmod=u=rwX,go=rX . /app/
COPY --link foo/ bar/
COPY --link=false foo/ bar/
COPY --parents ./x/a.txt ./y/./b.txt /parents/
COPY --exclude=*.txt --exclude=**/*.md src/ dest/
COPY --from=build --chown=1 --chmod=644 --link --parents --exclude=tmp /out /all/
