"""sshfs, with our own bridge instead of OpenSSH's ssh.

sshfs starts the command ``ssh_command`` whenever it needs a connection, splits it at spaces, and adds
options for OpenSSH. Ours is ``python3 -E /proc/self/fd/SCRIPT ACCESS``: both numbers are descriptors
that sshfs and its children inherit, the first of bridge.py (so its path may hold anything), the second
of anonymous memory with the access data. So no password, key or passphrase is in an argument, in the
environment or in a file; no shell interprets a path or name; and the login works as for all other verbs.
"""

import os
import pickle
import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import NamedTuple
from urllib.parse import quote

from connectors import secrets
from connectors.errors import Unavailable
from connectors.remote import Program
from connectors.ssh.login.destination import Place

LONGEST_SOURCE = 1000  # characters; all mount options must fit into 4096


class Passport(NamedTuple):
    """All that the bridge needs to log in during the life of the mount: see Session.pinned.

    ``timeout`` is in seconds.
    """

    place: Place
    timeout: float


@contextmanager
def program(place: Place, timeout: float) -> Iterator[Program]:
    """sshfs for the directory ``place``, as returned by Session.pinned."""
    if shutil.which("sshfs") is None:
        raise Unavailable("sshfs is not installed", hint="install it (Debian: apt-get install sshfs fuse3)")
    source = describe(place)
    folder = os.path.dirname(os.path.realpath(__file__))
    script = os.open(os.path.join(folder, "bridge.py"), os.O_RDONLY | os.O_CLOEXEC)
    access = os.memfd_create("access", os.MFD_CLOEXEC)
    try:
        os.write(access, pickle.dumps(Passport(place, timeout)))
        python = os.path.basename(sys.executable)  # looked up in PATH: see transfer/mount.py
        options = [
            f"ssh_command={python} -E /proc/self/fd/{script} {access}",
            f"fsname={source}",
            "reconnect",
            "idmap=user",  # map the login user to the mounting user
            "rw" if place.writable else "ro",
        ]
        yield Program(
            # ":" ends the host, so anything may follow; only the bridge uses the host.
            ["sshfs", "-f", *(f"-o{option}" for option in options), f"remote:{place.path}"],
            kind="fuse.sshfs",
            source=source,
            read_only=not place.writable,
            inherited=(script, access),
        )
    finally:
        os.close(script)
        os.close(access)


def describe(place: Place) -> str:
    """``ssh://user@host:port/path``, without secrets and without characters that end a mount option."""
    server = place.server
    host = f"[{server.host}]" if ":" in server.host else server.host
    path = place.path if place.path.startswith("/") else f"/~/{place.path}"
    who = f"{quote(server.login.username)}@{quote(host, safe='[]:')}:{server.port}"
    return secrets.redact(f"ssh://{who}{quote(path, safe='/~')}")[:LONGEST_SOURCE]
