"""What a server sends before the SSH handshake, and details that paramiko only logs."""

import logging
import re
from collections import deque
from typing import Any

MOST = 64 * 1024  # bytes until keys are agreed on: lines of text (RFC 4253, 4.2) and four packets
LONGEST_QUOTE = 80  # characters
_INTRODUCTION = re.compile(rb"(?:^|\n)SSH-[^\n]*\n")
_OVERLOADED = re.compile(rb"MaxStartups|Not allowed at this time|too many|try again|overload", re.IGNORECASE)


class Greeting:
    """Records what arrives on a socket (or channel) before the server's SSH banner, until ``end()``.

    paramiko would read an endless line or packet, and does not tell silence from invalid data.
    """

    def __init__(self, sock: Any) -> None:
        self.introduced = False
        self._heard = b""
        self._count = 0
        self._sock = sock
        self._recv = sock.recv
        sock.recv = self._listen  # hides the method of its class

    def end(self) -> None:
        """Stop recording: the key exchange is done."""
        del self._sock.recv

    def _listen(self, count: int) -> bytes:
        data: bytes = self._recv(count)
        self._count += len(data)
        if not self.introduced:
            self._heard += data
            self.introduced = bool(_INTRODUCTION.search(self._heard))
        return data if self._count <= MOST else b""  # too much: treat the connection as closed

    @property
    def nonsense(self) -> str:
        """The beginning of what it sent instead of an SSH banner; "" if nothing."""
        text = self._heard.decode("ascii", "backslashreplace").strip()
        return repr(text.splitlines()[0][:LONGEST_QUOTE]) if text and not self.introduced else ""

    @property
    def overloaded(self) -> bool:
        """Whether it says that it is overloaded; OpenSSH does so in clear text."""
        return not self.introduced and bool(_OVERLOADED.search(self._heard))


class Notes(logging.Logger):
    """Replaces paramiko's log, to find reasons that its exceptions lack. Writes nothing."""

    def __init__(self) -> None:
        super().__init__("connectors.ssh")
        self._lines: deque[str] = deque(maxlen=100)

    def log(self, level: int, msg: object, *args: object, **options: Any) -> None:
        self._lines.append(str(msg))

    def find(self, pattern: str) -> str:
        """The first group of ``pattern`` in the last line that matches; "" if none does."""
        for line in reversed(tuple(self._lines)):  # a copy, in one step: paramiko's thread may add to it
            if found := re.match(pattern, line, re.DOTALL):
                return found[1]
        return ""

    @property
    def refused(self) -> bool:
        """Whether the server rejected a password or key."""
        return bool(self.find(r"Authentication \((.*)\) failed"))

    @property
    def farewell(self) -> tuple[str, str]:
        """Why the server disconnected: the code (RFC 4253, 11.1) and its message."""
        return self.find(r"Disconnect \(code (\d+)\)"), self.find(r"Disconnect \(code \d+\): (.*)")[:200]

    @property
    def no_channel(self) -> str:
        """The server's reason for not opening a channel."""
        return self.find(r"Secsh channel \d+ open FAILED: (.*): [^:]*$")

    def offer(self, what: str) -> str:
        """The server's algorithms for ``what``: ``kex algos``, ``server key``, ``server encrypt``…"""
        return self.find(rf"{what}: (.*)")
