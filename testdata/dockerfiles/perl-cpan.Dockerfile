# Perl, with MAINTAINER as in old files.
FROM perl:5.40
MAINTAINER Camel Team <camel@example.org>
RUN cpanm --notest Mojolicious DBI
COPY . /usr/src/myapp
WORKDIR /usr/src/myapp
CMD [ "perl", "./daemon.pl" ]
