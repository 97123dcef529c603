"""The program that sshfs runs as ssh: ``python3 -E /proc/self/fd/SCRIPT ACCESS …``; see sshfs.py.

Logs in with the access data from the descriptor ACCESS, and copies bytes between its standard input and
output and the server's sftp, until either ends or the server stops answering. Its stderr is a memfd that
umount-dir reads: each error is a line of JSON there.
"""

import os
import sys
import threading
import time
from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from connectors.ssh.mount.sshfs import Passport

CHUNK = 1 << 18  # bytes
MOST_MESSAGES = 1 << 16  # bytes
VERSION = b"\2"  # the kind of SFTP's first answer; not imported, to keep imports few
KEEPALIVE = "keepalive@openssh.com"  # OpenSSH's name; any server answers, even if it does not support it


def run() -> int:
    """Find our modules, as connectors/__main__.py does, and copy bytes. Returns the exit code."""
    home = os.path.realpath(__file__).rpartition("/connectors/")[0]
    sys.path[:1] = [home, home + "/lib"]

    from connectors import log
    from connectors.errors import Exit, RedError

    log.configure("sshfs", "json")
    access = int(sys.argv[1])
    try:
        passport = _read(access)
        if passport is None:
            return Exit.NOPERM
        _carry(passport)
    except RedError as error:
        if os.fstat(2).st_size > MOST_MESSAGES:
            os.ftruncate(2, 0)
        log.error(error)
        if error.code != Exit.TEMPFAIL:  # a retry would fail too, and might lock the account
            os.ftruncate(access, 0)
        return error.code
    return Exit.OK


def _read(access: int) -> "Passport | None":
    """The access data; None if an earlier bridge was refused permanently and removed it."""
    import pickle

    from connectors import secrets
    from connectors.ssh.mount.sshfs import Passport

    data = os.pread(access, os.fstat(access).st_size, 0)
    if not data:
        return None
    passport = pickle.loads(data)  # our own data, from a memfd that only we and our children have
    assert isinstance(passport, Passport)
    for server in (passport.place.server, passport.place.jump):
        for secret in server.login[1:] if server else ():
            secrets.mark(secret)
    return passport


def _carry(passport: "Passport") -> None:
    """Log in; return when sshfs or the server ends. TemporaryFailure if the server stops answering."""
    from connectors.errors import TemporaryFailure
    from connectors.settings import Settings
    from connectors.ssh.login import farewell
    from connectors.ssh.login.ssh_session import Session
    from connectors.transfer.job import Job
    from connectors.transfer.progress import Progress
    from connectors.transfer.receipt import Receipts

    settings = Settings(timeout=passport.timeout)
    job = Job(settings, Progress(), Receipts(""))
    session = Session(passport.place, job)
    channel = session.sftp_channel()
    transport = channel.get_transport()
    ended = threading.Event()
    heard = time.monotonic()
    first = b""

    def inwards() -> None:
        nonlocal heard, first
        while data := channel.recv(CHUNK):
            heard = time.monotonic()
            first = first or data
            view = memoryview(data)
            while view:
                view = view[os.write(1, view) :]

    def outwards() -> None:
        while data := os.read(0, CHUNK):
            channel.sendall(data)

    def ask() -> None:
        nonlocal heard
        while transport.is_active():
            transport.global_request(KEEPALIVE, wait=True)
            heard = time.monotonic()
            time.sleep(passport.timeout / 4)

    for work in (inwards, outwards, ask):
        threading.Thread(target=_until_the_end, args=(work, ended), daemon=True).start()
    while not ended.wait(passport.timeout / 4):
        if time.monotonic() - heard > passport.timeout:
            raise TemporaryFailure(
                f"{passport.place.server.host} has been silent for {passport.timeout:g} s: connecting again"
            )
    if first[4:5] != VERSION and (turned_away := farewell.of(channel, session.host, first, job)):
        raise turned_away
    if not transport.is_active():
        raise TemporaryFailure(f"{passport.place.server.host} has closed the connection: connecting again")


def _until_the_end(work: Callable[[], None], ended: threading.Event) -> None:
    """sshfs, and _carry, see any failure here as the end of the connection."""
    try:
        work()
    except Exception as error:  # paramiko raises various errors for a lost connection
        del error
    finally:
        ended.set()


if __name__ == "__main__":
    code = run()
    sys.stderr.flush()
    os._exit(code)  # threads may wait for a silent server
