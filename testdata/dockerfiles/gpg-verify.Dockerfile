# Keys fetched from several servers in a loop.
FROM buildpack-deps:bookworm
ENV GPG_KEYS 0D96DF4D4110E5C43FBFB17F2D347EA6AA65421D E3FF2839C048B25C084DEBE9B26995E310250568
RUN set -ex \
	&& for key in $GPG_KEYS; do \
		gpg --batch --keyserver hkps://keys.openpgp.org --recv-keys "$key" || \
		gpg --batch --keyserver keyserver.ubuntu.com --recv-keys "$key" ; \
	done
