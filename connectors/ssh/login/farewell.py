"""Why a server ends a session as it begins, in its own words.

So it does with an account that may log in only to change an expired password, or whose log-in shell is
nologin. That is no lost connection, and trying again shows the password once more.
"""

import time
from contextlib import suppress
from typing import Any

from connectors.errors import NotAuthenticated, RedError
from connectors.net import waiting
from connectors.transfer.job import Job

WITHIN = 1.0  # seconds: for what was under way when the session ended, and for the words
MOST_WORDS = 400  # bytes
HINT = "log in there with ssh to see what is wrong; an expired password is changed that way"


def of(channel: Any, place: str, said: bytes, job: Job) -> RedError | None:
    """NotAuthenticated if the server has ended the session on ``channel``, where nothing was done yet.

    ``said`` is what came on it; ``place`` names the server. None if the connection was lost: then there is
    no exit status.
    """
    deadline = time.monotonic() + WITHIN
    while channel.exit_status < 0 and not channel.closed and (said or channel.eof_received):
        job.check_cancelled()
        if time.monotonic() > deadline:
            break
        time.sleep(0.01)
    if channel.exit_status < 0:
        return None
    words = said or _words(channel.get_transport(), job)
    why = " ".join(words.decode("utf-8", "replace").split())[:MOST_WORDS]
    why = why or f"exit status {channel.exit_status}"
    return NotAuthenticated(f"{place}: the server ended the session at once: {why}", hint=HINT)


def _words(transport: Any, job: Job) -> bytes:
    """What the server says to a command. OpenSSH drops what is said for people where SFTP is asked for."""
    from paramiko.ssh_exception import SSHException

    heard = b""

    def ask() -> None:
        nonlocal heard
        channel = transport.open_session(timeout=WITHIN)
        channel.settimeout(WITHIN)
        channel.set_combine_stderr(True)
        channel.exec_command("exit")
        while len(heard) < MOST_WORDS and (data := channel.recv(MOST_WORDS)):
            heard += data

    with suppress(RedError, OSError, EOFError, SSHException):
        waiting.for_answer(ask, job, WITHIN, "")
    return heard
