#!/bin/sh
# Installs the real servers and shells that the tests run, and Compose; with the argument
# "bench" also the programs that the benchmarks compare with, with "web" a web server and nothing else.
# Quick when all is there. Starts no service.
set -eu

packages="nginx-light libnginx-mod-http-dav-ext openssl"
[ "${1:-}" = web ] || packages="$packages apache2-bin openssh-server openssh-client sshfs fuse3 dropbear-bin zsh docker-compose"
[ "${1:-}" = web ] || packages="$packages proftpd-core proftpd-mod-crypto rclone tcsh fish busybox ntfs-3g"
[ "${1:-}" != bench ] || packages="$packages aria2 rsync wget curl"

if ! command -v dpkg-query >/dev/null; then
    echo "tests/install-servers.sh: this is not Debian; install by hand what these Debian packages hold: $packages" >&2
    exit 69
fi

missing=
for package in $packages; do
    status=$(dpkg-query -W -f '${Status}' "$package" 2>/dev/null || true)
    [ "$status" = "install ok installed" ] || missing="$missing $package"
done
[ -n "$missing" ] || exit 0

if [ "$(id -u)" != 0 ]; then
    echo "tests/install-servers.sh: missing packages; as root: apt-get install$missing" >&2
    exit 69
fi

# 101 tells invoke-rc.d that services must not be started: the tests start their own on free ports.
policy=/usr/sbin/policy-rc.d
if [ ! -e "$policy" ]; then
    trap 'rm -f "$policy"' EXIT
    printf '#!/bin/sh\nexit 101\n' >"$policy"
    chmod 755 "$policy"
fi

export DEBIAN_FRONTEND=noninteractive
# shellcheck disable=SC2086  # a list of words
install() { apt-get install -qq --no-install-recommends $missing >/dev/null; }
install 2>/dev/null || { apt-get update -qq && install; }
