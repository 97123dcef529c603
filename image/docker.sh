#!/bin/sh
# Provides a running Docker engine. Where one answers, nothing happens; as root on Debian or Ubuntu it is installed
# and started; elsewhere one line says what is missing (exit 69).
set -eu

answers() { timeout 20 docker info >/dev/null 2>&1; }

missing() {
    echo "no container engine: $1" >&2
    echo "hint: install Docker, start it, and see that \`docker info\` works for you" >&2
    exit 69
}

answers && exit 0
[ "$(id -u)" = 0 ] || missing "Docker does not answer, and only root can install or start it here"

if ! command -v dockerd >/dev/null || ! command -v docker >/dev/null || ! command -v iptables >/dev/null; then
    command -v apt-get >/dev/null || missing "Docker is not installed, and there is no apt-get to install it with"
    echo "installing Docker" >&2
    export DEBIAN_FRONTEND=noninteractive
    client=
    command -v docker >/dev/null || { apt-cache show docker-cli >/dev/null 2>&1 && client=docker-cli; } # split off in Debian 13
    # shellcheck disable=SC2086  # $client is one word or none
    { apt-get -qq update; apt-get -qq install -y --no-install-recommends docker.io iptables $client; } >/dev/null </dev/null
    answers && exit 0
fi

if [ -d /run/systemd/system ]; then
    systemctl start docker >&2 || missing "systemctl start docker failed"
else
    # A killed dockerd leaves pid files, and the next one trusts them if any process has that pid, even a zombie.
    for file in /var/run/docker.pid /var/run/docker/containerd/containerd.pid; do
        pid=$(cat "$file" 2>/dev/null || true)
        case $(readlink "/proc/${pid:-0}/exe") in */dockerd* | */containerd*) ;; *) rm -f "$file" ;; esac
    done
    echo "starting dockerd" >&2
    # It outlives a test run, whose temporary folder does not.
    env -u TMPDIR setsid nohup dockerd >/var/log/dockerd.log 2>&1 </dev/null &
    dockerd=$!
fi

for _ in $(seq 60); do
    answers && exit 0
    [ -z "${dockerd:-}" ] || kill -0 "$dockerd" 2>/dev/null || break
    sleep 1
done
tail -n 20 /var/log/dockerd.log >&2 || true
missing "dockerd was started but does not answer"
