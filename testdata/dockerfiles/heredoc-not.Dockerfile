# Arrows that open no heredoc: here-strings, shifts without blanks, quoted ones, JSON.
FROM bash
SHELL ["bash", "-c"]
RUN cat <<<"a here-string"
RUN echo $((1<<2))
RUN echo "<<EOF"
RUN echo '<<EOF'
RUN ["echo", "<<EOF"]
CMD cat <<EOF
ENV ARROWS=<<EOF
