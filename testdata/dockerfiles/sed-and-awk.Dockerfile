# Dollars, braces, slashes and quotes of other languages.
FROM alpine
RUN sed -i -e 's/\(a\)\{2\}/$1/g' -e "s|/bin/ash|/bin/bash|" /etc/passwd
RUN awk -F: '{ print $1 "\t" $7 }' /etc/passwd | sort -u > /users
RUN find / -name '*.pyc' -exec rm -f {} \; && grep -E '^[^#]+$' /etc/fstab || :
