# A dash strips leading tabs, also of the delimiter, but no blanks.
FROM alpine
RUN <<-EOF
		echo two tabs
	  echo a tab and two blanks
	EOF
COPY <<-config <<-'raw' /etc/
	key=value
	config
	$raw
raw
