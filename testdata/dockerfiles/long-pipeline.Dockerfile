# Pipes, groups, redirections, background jobs.
FROM ubuntu
RUN set -o pipefail; (cat /etc/passwd | tee >(wc -l >&2) | cut -d: -f1) 2>/dev/null; { sleep 1 & wait; }
RUN for i in 1 2 3; do \
      echo "$i"; \
      if [ "$i" -gt 2 ]; then \
        break; \
      fi; \
    done
