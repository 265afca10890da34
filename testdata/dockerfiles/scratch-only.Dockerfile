# An image with nothing but a file.
FROM scratch
ADD rootfs.tar.gz /
CMD ["/bin/sh"]
