"""Why a server ends a session right after login, in its own words.

It does so if the account's password has expired or its login shell is nologin. That is not a lost connection,
and a retry would only send the password again.
"""

import time
from contextlib import suppress
from typing import Any

from connectors.errors import NotAuthenticated, RedError
from connectors.net import waiting
from connectors.transfer.job import Job

WITHIN = 1.0  # seconds to wait for data in flight when the session ended, and for the server's message
MOST_WORDS = 400  # bytes
HINT = "log in there with ssh to see what is wrong; an expired password is changed that way"


def of(channel: Any, place: str, said: bytes, job: Job) -> RedError | None:
    """NotAuthenticated if the server ended the session on ``channel`` before anything was done.

    ``said`` is what it sent on the channel; ``place`` names the server. None if the connection was lost: then
    there is no exit status.
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
    return NotAuthenticated(f"{place}: the server ended the session right after login: {why}", hint=HINT)


def _words(transport: Any, job: Job) -> bytes:
    """The server's message after a command. For SFTP, OpenSSH drops messages for the user."""
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
