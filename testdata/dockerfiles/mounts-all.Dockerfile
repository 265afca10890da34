# syntax=docker/dockerfile:1
# Every type of mount with all its options.
FROM alpine AS tools
RUN touch /tool
FROM alpine
RUN --mount=type=bind,from=tools,source=/tool,target=/usr/bin/tool,readonly true
RUN --mount=target=/src,rw true
RUN --mount=type=bind,src=.,dst=/mnt,ro=false true
RUN --mount=type=cache,id=apt,target=/var/cache/apt,sharing=locked,from=tools,source=/,mode=0755,uid=0,gid=0 true
RUN --mount=type=cache,target=/root/.cache,ro true
RUN --mount=type=tmpfs,target=/tmp,size=64m true
RUN --mount=type=secret,id=token,target=/run/token,required=true,mode=0400,uid=1000,gid=1000 true
RUN --mount=type=secret,id=aws,env=AWS_SECRET_ACCESS_KEY true
RUN --mount=type=secret,target=/root/.netrc true
RUN --mount=type=ssh,id=default,target=/agent.sock,required,mode=0600,uid=1,gid=1 true
RUN --mount=type=ssh git clone git@github.com:acme/private.git
