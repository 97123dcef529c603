"""The requests and responses of one task; several tasks share an SFTP conversation."""

import struct
import time
from collections.abc import Iterator
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING, Any

from connectors.errors import TemporaryFailure
from connectors.transfer.job import TIDY_SECONDS, Cancelled

if TYPE_CHECKING:
    from connectors.ssh.sftp.conversation import Sftp

LOOK_EVERY = 0.1  # seconds between looks at whether to go on waiting

Reply = tuple[Any, int, bytes]


class Flow:
    """The requests and responses of one task. Used by one thread, besides the receiving one."""

    def __init__(self, sftp: "Sftp", *, last: bool = False) -> None:
        """With ``last``, wait for responses in a cancelled call too, as long as that may take."""
        self.sftp = sftp
        self._last = last
        self.replies: SimpleQueue[Reply] = SimpleQueue()
        self.pending = 0
        self._outbox: list[bytes] = []

    def ask(self, tag: Any, kind: int, *parts: bytes, more: int = 0) -> None:
        """Add a request, to be sent by ``flush``; its answer comes with ``tag``.

        ``more`` bytes of it are given to ``flush``.
        """
        body = b"".join(parts)
        number = self.sftp.register(self, tag)
        self._outbox.append(struct.pack(">IBI", len(body) + more + 5, kind, number))
        self._outbox.append(body)
        self.pending += 1

    def flush(self, data: bytes = b"") -> None:
        """Send what was asked; ``data`` ends the last of it, and is not copied once more."""
        if self._outbox:
            head = b"".join(self._outbox)
            self._outbox.clear()
            self.sftp.send(head, data)

    def take(self, tag: Any, kind: int, payload: memoryview) -> None:
        """Deliver a response, in the receiving thread."""
        self.replies.put((tag, kind, bytes(payload)))

    def next(self) -> Reply:
        """The next response: its tag, kind and payload."""
        job = self.sftp.job
        asked = time.monotonic()
        while True:
            hurried = self._last and job.cancelled.is_set()
            patience = TIDY_SECONDS / 2 if hurried else self.sftp.timeout
            try:
                reply = self.replies.get(timeout=LOOK_EVERY)
            except Empty:
                if job.cancelled.is_set() and not self._last:
                    raise Cancelled from None
                if time.monotonic() - max(asked, self.sftp.heard) > patience:
                    error = TemporaryFailure(f"{self.sftp.host}: silent for {patience:g} s")
                    self.sftp.lose(error)
                    raise error from None
                continue
            if reply[1] < 0:
                raise self.sftp.why_lost()
            self.pending -= 1
            return reply

    def some(self) -> Iterator[Reply]:
        """The next response, and all others that have arrived by then."""
        yield self.next()
        while not self.replies.empty():
            yield self.next()
