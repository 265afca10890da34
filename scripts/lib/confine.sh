# shellcheck shell=bash
# Sourced: commands that cannot outlive the script.

confined=

# Runs a command in process and mount namespaces of its own (and in those that options of unshare(1) name), and returns
# its exit code. Neither a signal to this script nor SIGKILL leaves a process of it behind.
confine() {
    # In the background, since only `wait` lets a trap run at once; there bash would have SIGINT ignored.
    setpriv --pdeathsig KILL env --default-signal=INT,QUIT \
        unshare --pid --mount --mount-proc --fork --kill-child "$@" <&0 &
    confined=$!
    local code=0
    wait "$confined" || code=$?
    confined=
    return "$code"
}

# Ends the confined command, and returns when none of its processes is left.
release() {
    trap '' HUP INT TERM
    [ -n "$confined" ] || return 0
    # The first process of the namespace dies with unshare(1), and is a zombie only after all others there are gone.
    local first='' stat
    read -r first _ <"/proc/$confined/task/$confined/children" || true
    kill -KILL "$confined" 2>/dev/null || true
    wait "$confined" 2>/dev/null || true
    confined=
    while [ -n "$first" ] && read -r stat 2>/dev/null <"/proc/$first/stat" && [[ ${stat##*) } != Z* ]]; do
        sleep 0.02
    done
}

trap 'exit 129' HUP
trap 'exit 130' INT
trap 'exit 143' TERM
trap release EXIT
