"""Proofs that the server's shell sees what its SFTP shows.

The two may live in different worlds: SFTP in a chroot, in a container, behind a wrapper, or on a server that
shows its shared folders as a root of their own (Synology). The same name may then stand for other files, and
nothing about a folder that both can tell (names, sizes, times) is more than a hint.

For receiving, nothing may be changed there. On Linux each process can read its own table of mounts, where
each mount has a number of its own among all mounts of the system, and a path that begins at the root
directory of that process. So if the beginnings of both tables are the same, both live in one mount namespace
with one root, and a name without links means the same file for both. A server that shows no /proc by SFTP is
asked for everything by SFTP. Some servers map names in a program instead; so what is found is compared too:
see shell.find and trees.read.

For sending, a folder with a random name is made through SFTP, and the shell has to find and remove it.
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
MOST = 1024  # bytes of it: some lines

SAME_FOLDER = '[ "$(stat -c "%Y %u %f" .) $(head -c "$n" /proc/self/mountinfo | sha256sum)" = "$e" ]'
"""Shell: whether the working directory is the one that ``facts`` speaks of; its lines are in $n and $e."""


class Unusable(Exception):
    """The shell cannot be used, or it is not proved that it may be."""


def facts(talk: Sftp, folder: bytes) -> bytes:
    """Two lines for SAME_FOLDER: what SFTP shows of ``folder`` (absolute, without links)."""
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
    """The name of a folder that nobody else can know of."""
    return os.fsencode(hidden_name(f"proof-{os.urandom(8).hex()}", "part"))


def make(talk: Sftp, folder: bytes) -> int:
    """Make the new ``folder``; the umask of SFTP's server (its option -u), which a shell need not have."""
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
