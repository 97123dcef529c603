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
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import quote

from connectors.access import secrets
from connectors.errors import Unavailable
from connectors.secure_shell import keys
from connectors.secure_shell.place import Place, Server
from connectors.transfer.mount import Program

if TYPE_CHECKING:
    import paramiko

LONGEST_SOURCE = 1000  # characters; all mount options have to fit into 4096


class Passport(NamedTuple):
    """All that the bridge needs to log in, for as long as the mount lasts.

    The keys in ``place`` are PEM text and its host keys those that were accepted. ``timeout`` is in seconds.
    """

    place: Place
    timeout: float


@contextmanager
def program(
    place: Place,
    host_key: "paramiko.PKey",
    jump_key: "paramiko.PKey | None",
    *,
    timeout: float,
    writable: bool,
) -> Iterator[Program]:
    """sshfs for ``place``; the two keys are those that its server and its jump host have shown.

    A server that shows another one when sshfs connects anew is refused.
    """
    if shutil.which("sshfs") is None:
        raise Unavailable("sshfs is not installed", hint="install it (Debian: apt-get install sshfs fuse3)")
    jump = _pinned(place.jump, jump_key) if place.jump and jump_key else place.jump
    passport = Passport(place._replace(server=_pinned(place.server, host_key), jump=jump), timeout)
    source = describe(place)
    folder = os.path.dirname(os.path.realpath(__file__))
    script = os.open(os.path.join(folder, "bridge.py"), os.O_RDONLY | os.O_CLOEXEC)
    access = os.memfd_create("access", os.MFD_CLOEXEC)
    try:
        os.write(access, pickle.dumps(passport))
        python = os.path.basename(sys.executable)  # found in PATH: see transfer/mount.py
        options = [
            f"ssh_command={python} -E /proc/self/fd/{script} {access}",
            f"fsname={source}",
            "reconnect",
            "idmap=user",  # the user who logs in is the one who mounts
            "transform_symlinks",  # absolute ones that stay inside
            "auto_unmount",  # if sshfs is killed; and /dev/fuse is then opened by fusermount3
            "rw" if writable else "ro",
        ]
        yield Program(
            # ":" ends the host, so that anything may follow; the host is the bridge's business.
            ["sshfs", "-f", *(f"-o{option}" for option in options), f"remote:{place.path}"],
            kind="fuse.sshfs",
            source=source,
            read_only=not writable,
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


def _pinned(server: Server, key: "paramiko.PKey") -> Server:
    login = server.login
    if login.private_key:  # the file may be gone, or be called otherwise, when sshfs connects anew
        login = login._replace(private_key=keys.text(login.private_key))
    return server._replace(login=login, host_key=f"{key.get_name()} {key.get_base64()}")
