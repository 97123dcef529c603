#!/bin/sh
# Provides debian:trixie-slim: the local one, pulled, or, without a registry, made from Debian's
# packages the way the official one is made (minbase, no documentation, manuals or translations).
set -eu

base=debian:trixie-slim
docker image inspect "$base" >/dev/null 2>&1 && exit 0
timeout 300 docker pull --quiet "$base" >/dev/null 2>&1 && exit 0

echo "$base cannot be pulled: making it from Debian's packages" >&2
if [ "$(id -u)" != 0 ] || ! command -v apt-get >/dev/null; then
    echo "making it needs root on Debian, and no registry has it" >&2
    echo "hint: \`docker pull $base\` where there is a registry, or \`docker load\` it from a file" >&2
    exit 69
fi
if ! command -v mmdebstrap >/dev/null || [ ! -e /usr/share/keyrings/debian-archive-keyring.gpg ]; then
    export DEBIAN_FRONTEND=noninteractive
    { apt-get -qq update; apt-get -qq install -y --no-install-recommends mmdebstrap debian-archive-keyring; } >/dev/null </dev/null
fi

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mmdebstrap --quiet --variant=minbase \
    --dpkgopt='path-exclude=/usr/share/doc/*' --dpkgopt='path-include=/usr/share/doc/*/copyright' \
    --dpkgopt='path-exclude=/usr/share/man/*' --dpkgopt='path-exclude=/usr/share/info/*' \
    --dpkgopt='path-exclude=/usr/share/locale/*' --dpkgopt='path-exclude=/usr/share/lintian/*' \
    trixie "$work/base.tar" </dev/null >&2
docker import --change 'CMD ["bash"]' "$work/base.tar" "$base" >/dev/null
