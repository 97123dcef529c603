"""sshfs, with a bridge of our own in place of OpenSSH's ssh.

sshfs starts the command ``ssh_command`` whenever it needs a connection, splits it at spaces, and adds
options for OpenSSH. Ours is ``python3 -E /proc/self/fd/SCRIPT ACCESS``: both numbers are descriptors
that sshfs and its children inherit, the first of bridge.py (so its path may hold anything), the second
of anonymous memory with the access data. So no password, key or passphrase is in an argument, in the
environment or in a file; no path or name is read by a shell; and the log-in is that of all other verbs.
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

LONGEST_SOURCE = 1000  # characters; all mount options have to fit into 4096


class Passport(NamedTuple):
    """All that the bridge needs to log in for as long as the mount lasts: see Session.pinned.

    ``timeout`` is in seconds.
    """

    place: Place
    timeout: float


@contextmanager
def program(place: Place, timeout: float) -> Iterator[Program]:
    """sshfs for the directory ``place``, which is as Session.pinned gives it."""
    if shutil.which("sshfs") is None:
        raise Unavailable("sshfs is not installed", hint="install it (Debian: apt-get install sshfs fuse3)")
    source = describe(place)
    folder = os.path.dirname(os.path.realpath(__file__))
    script = os.open(os.path.join(folder, "bridge.py"), os.O_RDONLY | os.O_CLOEXEC)
    access = os.memfd_create("access", os.MFD_CLOEXEC)
    try:
        os.write(access, pickle.dumps(Passport(place, timeout)))
        python = os.path.basename(sys.executable)  # found in PATH: see transfer/mount.py
        options = [
            f"ssh_command={python} -E /proc/self/fd/{script} {access}",
            f"fsname={source}",
            "reconnect",
            "idmap=user",  # the user who logs in is the one who mounts
            "rw" if place.writable else "ro",
        ]
        yield Program(
            # ":" ends the host, so that anything may follow; the host is the bridge's business.
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
    """``ssh://user@host:port/path``, without what is secret, and without what would end a mount option."""
    server = place.server
    host = f"[{server.host}]" if ":" in server.host else server.host
    path = place.path if place.path.startswith("/") else f"/~/{place.path}"
    who = f"{quote(server.login.username)}@{quote(host, safe='[]:')}:{server.port}"
    return secrets.redact(f"ssh://{who}{quote(path, safe='/~')}")[:LONGEST_SOURCE]
