# Every flag of ADD, URLs and git repositories.
FROM alpine
ADD --checksum=sha256:24454f830cdb571e2c4ad15481119c43b3cafd48dd869a9b2945d1036d1dc68d https://mirrors.edge.kernel.org/pub/linux/kernel/Historic/linux-0.01.tar.gz /
ADD --keep-git-dir=true https://github.com/moby/buildkit.git#v0.22.0 /buildkit
ADD --keep-git-dir git@github.com:acme/private.git#main:docs /docs
ADD --unpack=true https://example.org/a.tar.gz /a
ADD --unpack=false local.tar.gz /b/
ADD --chown=1:1 --chmod=600 --link --exclude=*.log logs/ /logs/
ADD http://example.org/file /file
ADD *.png /img/
