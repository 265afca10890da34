# R; quotes inside quotes on a RUN line.
FROM rocker/shiny:4.4.2
RUN R -e "install.packages(c('dplyr', 'ggplot2'), repos='https://cloud.r-project.org')"
RUN R -e 'install.packages("DT")'
COPY app.R /srv/shiny-server/
EXPOSE 3838
