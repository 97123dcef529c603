#!/bin/sh
# venv.sh FOLDER REQUIREMENTS…: makes a virtual environment anew, from the first Python 3.11 or later to be found.
set -eu
folder=$1
shift

for python in python3 python3.14 python3.13 python3.12 python3.11 python3.15 /usr/bin/python3; do
    # Debian's python3 lacks ensurepip until python3-venv is installed.
    "$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || continue
    if ! "$python" -c 'import ensurepip, venv' 2>/dev/null; then
        if [ "$(id -u)" != 0 ] || ! command -v apt-get >/dev/null; then continue; fi
        { apt-get -qq update; DEBIAN_FRONTEND=noninteractive apt-get -qq install -y --no-install-recommends python3-venv; } >/dev/null </dev/null
        "$python" -c 'import ensurepip, venv' 2>/dev/null || continue
    fi
    rm -rf "$folder"
    "$python" -m venv "$folder"
    for file in "$@"; do set -- "$@" --requirement "$file" && shift; done
    "$folder/bin/python" -m pip install -qq --disable-pip-version-check "$@" </dev/null
    exit 0
done
echo "no Python 3.11 or later that can make virtual environments is on PATH" >&2
echo "hint: install one, with its venv module (Debian: apt-get install python3-venv)" >&2
exit 69
