# shellcheck shell=bash
# Sourced: what the parts need, installed where it is missing.

fail() {
    printf '%s: %s\n' "${0##*/}" "$1" >&2
    exit 1
}

# The Debian packages that are missing, by what would be there if they were not.
missing_packages() {
    local command package
    while read -r command package; do
        command -v "$command" >/dev/null || echo "$package"
    done <<'COMMANDS'
buildah buildah
cc gcc libc6-dev
curl curl
dockerd docker.io
docker docker.io
docker-registry docker-registry
git git
htpasswd apache2-utils
ip iproute2
iptables iptables
jq jq
python3 python3
rsync rsync
newuidmap uidmap
openssl openssl
podman podman
skopeo skopeo
ssh-agent openssh-client
systemd-analyze systemd
COMMANDS
    # `ldd` fails for a static program, which is the one to make images from.
    if [ ! -x /bin/busybox ] || ldd /bin/busybox >/dev/null 2>&1; then echo busybox-static; fi
    # Debian's Python comes without what makes a venv.
    python3 -c 'import ensurepip' 2>/dev/null || echo python3-venv
    [ -e /etc/ssl/certs/ca-certificates.crt ] || echo ca-certificates
}

# Installs packages, without the services that they bring running now or from the next boot on.
install_packages() {
    command -v apt-get >/dev/null || fail "missing here, and there is no apt-get to install them: $*"
    echo "installing $*" >&2
    (
        policy=/usr/sbin/policy-rc.d
        if [ ! -e "$policy" ]; then
            trap 'rm -f "$policy"' EXIT
            printf '#!/bin/sh\nexit 101\n' >"$policy"
            chmod +x "$policy"
        fi
        export DEBIAN_FRONTEND=noninteractive
        apt=(apt-get -qq -o DPkg::Lock::Timeout=600 -o Dpkg::Use-Pty=0)
        "${apt[@]}" update && "${apt[@]}" install --no-install-recommends "$@"
    ) </dev/null >&2 || fail "apt-get could not install: $*"
    [ -d /run/systemd/system ] || return 0
    local package
    for package in "$@"; do
        case $package in
        docker.io) systemctl disable --quiet docker.socket docker.service ;;
        docker-registry) systemctl disable --quiet docker-registry.service ;;
        esac
    done
}

# Installs the tools that PyPI has, and those that npm has with the Node.js that is one of them, into a venv of the
# project's own.
install_tools() {
    local venv=target/parts/venv wanted=scripts/lib/requirements.txt wanted_of_npm=scripts/lib/npm.txt
    mkdir -p target/parts
    exec {tools}>target/parts/lock
    flock "$tools"
    if ! cat "$wanted" "$wanted_of_npm" | cmp -s - "$venv/installed"; then
        echo "installing the tools of $wanted and $wanted_of_npm" >&2
        rm -rf "$venv"
        python3 -m venv "$venv"
        "$venv/bin/pip" install --quiet --disable-pip-version-check --requirement "$wanted" >&2 ||
            fail "pip could not install the tools of $wanted"
        PATH=$PWD/$venv/bin:$PATH xargs -a "$wanted_of_npm" npm install --global --prefix "$venv" --silent >&2 ||
            fail "npm could not install the tools of $wanted_of_npm"
        cat "$wanted" "$wanted_of_npm" >"$venv/installed"
    fi
    exec {tools}>&-
}

install_missing() {
    [ "$(uname -s)" = Linux ] || fail "the parts need Linux: a Docker engine, namespaces"
    [ "$(id -u)" = 0 ] || fail "run this as root: it starts a Docker engine in namespaces of its own"
    local packages
    mapfile -t packages < <(missing_packages | tr ' ' '\n' | sort -u)
    [ ${#packages[@]} -eq 0 ] || install_packages "${packages[@]}"
    install_tools
}
