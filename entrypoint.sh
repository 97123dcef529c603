#!/bin/sh
# From a name to one Python process. Called through a link in bin/, it is that executable. Called as
# entrypoint.sh, the first argument decides: one of our executables (red-connector-http, or http for short),
# a command of the front door, or any other program, which is run as it is. Everything ends in exec, so
# that signals and exit codes are the program's own.
set -eu

name=${0##*/}
home=$(readlink -f -- "$0")
home=${home%/*}

if [ ! -e "$home/bin/$name" ]; then
    name=red-connectors
    case ${1:--} in
    -* | receive-* | send-* | mount-* | umount-* | stage-*) ;;
    help | version | cli-version | list | schema | example | ssh-key | completion) ;;
    */*) command -v "$1" >/dev/null && exec "$@" ;;
    *)
        if [ -e "$home/bin/$1" ]; then name=$1 && shift
        elif [ -e "$home/bin/red-connector-$1" ]; then name=red-connector-$1 && shift
        elif command -v "$1" >/dev/null; then exec "$@"
        fi ;;
    esac
fi

python=python3
if [ -d "$home/lib" ]; then # the image's libraries, which another Python that an experiment brings cannot load
    python=/usr/bin/python3
fi
if ! command -v "$python" >/dev/null; then
    echo "$name: $python, 3.11 or later, is not on PATH" >&2
    exit 69
fi
trap '' INT # until the program has a handler: Python would answer with a traceback while it starts
# -E: a PYTHONPATH or PYTHONHOME that is meant for the experiment must not change this program.
exec "$python" -E "$home/connectors/__main__.py" "$name" "$@"
