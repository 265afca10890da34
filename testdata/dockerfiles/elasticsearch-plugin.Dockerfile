# Words with colons, slashes and equals signs as arguments.
FROM docker.elastic.co/elasticsearch/elasticsearch:8.18.2
RUN bin/elasticsearch-plugin install --batch analysis-icu
ENV discovery.type=single-node xpack.security.enabled=false ES_JAVA_OPTS="-Xms1g -Xmx1g"
EXPOSE 9200 9300
