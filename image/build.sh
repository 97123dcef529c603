#!/bin/sh
# make image: builds red-connectors:latest, and red-connectors:VERSION, with the engine that is there or can be installed.
set -eu
cd "$(dirname -- "$0")/.."

image/docker.sh
image/base.sh

# A network that opens up TLS has its authority among the machine's own; pip must know it too. See image/ca/README.
for bundle in "${PIP_CERT:-}" "${SSL_CERT_FILE:-}" /usr/local/share/ca-certificates/*.crt; do
    # -f: an unset variable, or a pattern that matched nothing.
    if [ -f "$bundle" ]; then cp "$bundle" "image/ca/$(basename "$bundle" .crt).crt"; fi
done

version=$(sed -n 's/^__version__ = "\(.*\)"$/\1/p' connectors/__init__.py)
log=$(mktemp)
trap 'rm -f "$log"' EXIT
# Host networking: some networks let only the host out. Nothing but apt and pip use it.
if ! docker build --network host --build-arg "VERSION=$version" \
    --tag red-connectors:latest --tag "red-connectors:$version" . >"$log" 2>&1 </dev/null; then
    cat "$log" >&2
    exit 1
fi
size=$(docker image inspect --format '{{.Size}}' red-connectors:latest)
echo "red-connectors:latest is built: version $version, $((size / 1000000)) MB"
