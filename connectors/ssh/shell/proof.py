"""Proves that the server's shell and its SFTP see the same files.

They may not: SFTP may run in a chroot, in a container, behind a wrapper, or on a server that presents its
shared folders as a separate root (Synology). The same name may then mean different files, and equal names,
sizes and times are no more than a hint.

When receiving, nothing may be changed on the server. On Linux each process can read its own mount table,
where each mount has a system-wide unique number, and a path relative to that process's root directory. So if
both tables begin alike, both processes are in one mount namespace with one root, and a name without links
means the same file for both. If a server does not show /proc through SFTP, everything goes through SFTP. Some
servers map names in a program instead; so the results are compared too: see shell.find and trees.read.

When sending, a folder with a random name is created through SFTP, and the shell has to find and remove it.
"""

import hashlib
import os
import struct

from connectors.local.names import hidden_name
from connectors.ssh.sftp import wire
from connectors.ssh.sftp.conversation import Sftp
from connectors.ssh.sftp.flow import Flow
from connectors.ssh.sftp.wire import Fields, string

MOUNTS = b"/proc/self/mountinfo"
MOST = 1024  # bytes of the mount table: some lines

SAME_FOLDER = '[ "$(stat -c "%Y %u %f" .) $(head -c "$n" /proc/self/mountinfo | sha256sum)" = "$e" ]'
"""Shell: whether the working directory is the one that ``facts`` describes; its lines are in $n and $e."""


class Unusable(Exception):
    """The shell cannot be used, or the proof failed."""


def facts(talk: Sftp, folder: bytes) -> bytes:
    """Two lines for SAME_FOLDER: ``folder`` (absolute, without links) as seen through SFTP."""
    try:
        here = wire.attributes(talk.ask(wire.STAT, string(folder)))
        mounts = _beginning(talk, MOUNTS)
    except wire.Status as status:
        raise Unusable from status
    if not mounts:
        raise Unusable
    stat = b"%d %d %x" % (here.modified or 0, here.owner or 0, here.mode or 0)
    return b"%d\n%b %b  -\n" % (len(mounts), stat, hashlib.sha256(mounts).hexdigest().encode())


def _beginning(talk: Sftp, name: bytes) -> bytes:
    handle = talk.ask(wire.OPEN, string(name), wire.FOR_READING_ONLY)
    try:
        return Fields(talk.ask(wire.READ, handle, struct.pack(">QI", 0, MOST), wanted=wire.DATA)).string()
    finally:
        talk.close(handle)


def secret_name() -> bytes:
    """A folder name that nobody else can guess."""
    return os.fsencode(hidden_name(f"proof-{os.urandom(8).hex()}", "part"))


def make(talk: Sftp, folder: bytes) -> int:
    """Create ``folder``. Returns the umask of the SFTP server (its option -u); the shell's may differ."""
    flow = Flow(talk)
    flow.ask(None, wire.MKDIR, string(folder), wire.with_mode(0o777))
    flow.ask(None, wire.STAT, string(folder))
    flow.flush()
    made = flow.next()[1:]
    _, kind, payload = flow.next()
    wire.checked(*made)
    mode = wire.attributes(payload).mode if kind == wire.ATTRS else None
    if mode is None:
        raise Unusable
    return 0o777 & ~mode
