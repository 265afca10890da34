# Jenkins with plugins from a file, and JAVA_OPTS in the old form of ENV.
FROM jenkins/jenkins:lts-jdk21
ENV JAVA_OPTS -Djenkins.install.runSetupWizard=false -Dhudson.footerURL=https://ci.example.org
COPY --chown=jenkins:jenkins plugins.txt /usr/share/jenkins/ref/plugins.txt
RUN jenkins-plugin-cli -f /usr/share/jenkins/ref/plugins.txt
