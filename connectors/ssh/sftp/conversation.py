"""SFTP with any number of concurrent requests.

paramiko's own client waits for each answer; over a distance, and for many small files, that is nearly all
of the time.
"""

import struct
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from itertools import count
from typing import TYPE_CHECKING, Any

from connectors.errors import ProtocolViolation, RedError, TemporaryFailure
from connectors.ssh.sftp.flow import LOOK_EVERY, Flow
from connectors.ssh.sftp.wire import (
    ANSWERS,
    CLOSE,
    DATA,
    EXTENDED,
    EXTENDED_REPLY,
    INIT,
    LIMITS,
    LONGEST_BLOCK,
    NO_SUCH_FILE,
    PERMISSION_DENIED,
    POSIX_RENAME,
    REMOVE,
    RENAME,
    SAFE_BLOCK,
    STATUS,
    VERSION,
    Fields,
    Frames,
    Status,
    checked,
    string,
)
from connectors.transfer.job import Cancelled, Job

if TYPE_CHECKING:
    from connectors.ssh.login.ssh_session import Session

WIDEN_AFTER = 1 << 28  # bytes of the huge window that have been used up
MOST_SAID = 400  # bytes that are kept of what is not SFTP


def start(session: "Session", job: Job) -> "Sftp":
    """SFTP on a new channel of ``session``."""
    sftp = Sftp(session.sftp_channel(), job, session.host, session.timeout)
    sftp.begin()
    return sftp


class Sftp:
    """The subsystem on a channel. All methods may be called from several threads."""

    def __init__(self, channel: Any, job: Job, host: str, timeout: float) -> None:
        """Start receiving. ``timeout``: seconds the server may send nothing, or accept nothing."""
        from connectors.ssh.transport import fast_packets  # paramiko is Session's to import, while it waits

        self._channel = channel
        self.job = job
        self.host = host
        self.timeout = timeout
        self._waiting: dict[int, tuple[Flow, Any]] = {}
        self._numbers = count()
        self._frames = Frames(self._take)
        self._sending = threading.Lock()
        self._blocked: dict[int, float] = {}
        """For each sending thread, since when the server has accepted nothing."""
        self._received = self._widened = 0
        self._lost: RedError | None = None
        self._begun = False
        self._said = b""
        """What the server sent before SFTP."""
        self.heard = time.monotonic()
        self.extensions: dict[str, bytes] = {}
        self.block = SAFE_BLOCK
        self._send_some = sender(channel)
        self._delivered = fast_packets.deliver(channel, self._feed)
        threading.Thread(target=self._listen, daemon=True).start()

    def begin(self) -> None:
        """Agree on the version and learn the server's extensions.

        NotAuthenticated if the server ends the session at once.
        """
        try:
            self._agree()
        except RedError as error:
            from connectors.ssh.login import farewell

            try:
                ended = farewell.of(self._channel, self.host, self._said, self.job)
            finally:
                self._cut()
            raise ended or error from None

    def _agree(self) -> None:
        flow = Flow(self)
        self._waiting[-1] = flow, None
        self.send(struct.pack(">IBI", 5, INIT, 3))
        _, _, payload = flow.next()
        fields = Fields(payload)
        version = fields.number()
        if version < 3:
            raise ProtocolViolation(f"{self.host}: the server speaks version {version} of SFTP, 3 is needed")
        while fields.left():
            name = fields.string()
            self.extensions[name.decode("ascii", "replace")] = fields.string()
        if LIMITS in self.extensions:
            with suppress(Status):  # it announced that it can
                limits = Fields(self.ask(EXTENDED, string(LIMITS.encode()), wanted=EXTENDED_REPLY))
                limits.take(8)
                lengths = [int.from_bytes(limits.take(8), "big") or LONGEST_BLOCK for _ in range(2)]
                self.block = max(SAFE_BLOCK, min(LONGEST_BLOCK, *lengths))

    @property
    def alive(self) -> bool:
        return self._lost is None

    def ask(self, kind: int, *parts: bytes, wanted: int | None = None) -> bytes:
        """One request and its answer's payload; Status if that is a status other than OK.

        ``wanted`` is the kind of answer that there should be, if ANSWERS does not know.
        """
        flow = Flow(self)
        flow.ask(None, kind, *parts)
        flow.flush()
        _, answer, payload = flow.next()
        return checked(answer, payload, wanted or ANSWERS.get(kind, STATUS))

    def close(self, handle: bytes) -> None:
        """Close a file that was read or given up; errors do not matter."""
        with suppress(RedError):
            self.ask(CLOSE, handle)

    def renaming(self, name: bytes, target: bytes) -> tuple[int, bytes, bytes, bytes]:
        """The request that gives a file (strings of SFTP) its name; in one step where the server can."""
        if POSIX_RENAME in self.extensions:
            return EXTENDED, string(POSIX_RENAME.encode()), name, target
        return RENAME, b"", name, target

    def rename(self, name: bytes, target: bytes, aside: bytes) -> None:
        """Rename the file ``name`` to ``target`` (strings of SFTP), replacing an existing file.

        Where the server cannot do that in one step, the old file is called ``aside`` for a moment.
        """
        request = self.renaming(name, target)
        try:
            self.ask(*request)
            if request[0] == RENAME:  # an attempt whose connection was lost may have left the old file there
                self.remove([aside])
            return
        except Status as status:
            if request[0] == EXTENDED or status.status in (NO_SUCH_FILE, PERMISSION_DENIED):
                raise
        # Version 3 alone does not replace (draft, 6.5). From here on to the end, in a cancelled call too.
        with suppress(Status):
            self._insist(REMOVE, aside)
        self._insist(RENAME, target, aside)
        try:
            self._insist(*request)
        except RedError:
            with suppress(RedError):
                self._insist(RENAME, aside, target)
            raise
        with suppress(Status):
            self._insist(REMOVE, aside)

    def _insist(self, kind: int, *parts: bytes) -> None:
        """As ``ask``, also in a cancelled call."""
        flow = Flow(self, last=True)
        flow.ask(None, kind, *parts)
        flow.flush()
        checked(*flow.next()[1:])

    def remove(self, names: Sequence[bytes], kind: int = REMOVE) -> None:
        """Remove files (RMDIR: folders) that are not wanted after all, in a cancelled call too; soon, or not
        at all."""
        flow = Flow(self, last=True)
        with suppress(RedError, Cancelled):
            for name in names:
                flow.ask(None, kind, name)
            flow.flush()
            while flow.pending:
                flow.next()

    # -- sending -----------------------------------------------------------------------------------

    def register(self, flow: "Flow", tag: Any) -> int:
        """A number for a request of ``flow``."""
        number = next(self._numbers) & 0xFFFFFFFF
        self._waiting[number] = flow, tag
        return number

    def send(self, *parts: bytes) -> None:
        """Send whole messages, however long that takes."""
        if self._lost:
            raise self._lost
        with self._sending:
            try:
                for part in parts:
                    self._send_all(memoryview(part))
                if self._delivered and self._received - self._widened > WIDEN_AFTER:
                    from connectors.ssh.transport import fast_packets

                    used = self._received - self._widened
                    self._widened += used
                    fast_packets.widen(self._channel, used)
            except (OSError, EOFError) as error:
                raise self._lost or self._broken(error) from None
        if self._channel.closed:
            raise self._lost or self._broken(None)

    def _send_all(self, rest: memoryview) -> None:
        while rest:
            with self.watched():
                while True:
                    try:
                        sent = self._send_some(self._channel, rest)
                        break
                    except TimeoutError:  # the window is closed: _watch decides for how long
                        if self._lost:
                            raise self._lost from None
            if not sent:
                raise EOFError
            rest = rest[sent:]

    @contextmanager
    def watched(self) -> Iterator[None]:
        """What is done in here must not take longer than a server may be silent, or the connection is lost:
        nothing else ends a write to a server that no longer reads.
        """
        thread = threading.get_ident()
        self._blocked[thread] = time.monotonic()
        try:
            yield
        finally:
            del self._blocked[thread]

    # -- receiving ---------------------------------------------------------------------------------

    def _listen(self) -> None:
        """Receive what the fast packets do not deliver, and watch that sending makes progress."""
        channel = self._channel
        channel.settimeout(LOOK_EVERY)
        while self._lost is None:
            try:
                data = channel.recv(1 << 20)
            except TimeoutError:
                self._watch()
                continue
            except (OSError, EOFError) as error:
                self.lose(self._broken(error))
                return
            if not data:
                self.lose(self._broken(None))
                return
            self._feed(memoryview(data))

    def _watch(self) -> None:
        blocked = list(self._blocked.values())
        if not blocked:
            return
        stuck = time.monotonic() - max(min(blocked), self.heard)
        if stuck > self.timeout:
            self.lose(TemporaryFailure(f"{self.host}: accepted no data for {self.timeout:g} s"))
        elif self.job.cancelled.is_set() and stuck > 5 * LOOK_EVERY:
            self.lose(TemporaryFailure(f"{self.host}: interrupted"))

    def _feed(self, view: memoryview) -> None:
        """Take the next bytes from the server, in the receiving thread.

        Progress is a message that is complete, and every byte of a file's content. Any other message must be
        complete within the time that a server may be silent, however it trickles.
        """
        self._received += len(view)
        if not self._begun:
            self._said += bytes(view[: MOST_SAID - len(self._said)])
        if self._lost:
            return
        try:
            self._frames.feed(view)
            if self._frames.kind == DATA:
                self.heard = time.monotonic()
        except RedError as error:
            self.lose(error if self._begun else self._not_sftp())
        except (struct.error, IndexError):
            self.lose(ProtocolViolation(f"{self.host}: the server's answers are not SFTP"))

    def _take(self, message: memoryview) -> None:
        kind = message[0]
        number = -1 if kind == VERSION else struct.unpack_from(">I", message, 1)[0]
        if not self._begun:
            self._begun, self._said = True, b""
        self.heard = time.monotonic()
        waiting = self._waiting.pop(number, None)
        if waiting is None:
            raise ProtocolViolation(f"{self.host}: the server answered a request that was not made")
        waiting[0].take(waiting[1], kind, message[1 if kind == VERSION else 5 :])

    def _not_sftp(self) -> RedError:
        """The server sent something other than SFTP: quote its text, so that the user recognises it."""
        words = " ".join(self._said.split(b"\0")[0][:100].decode("utf-8", "replace").split())
        return ProtocolViolation(
            f"{self.host}: the server sends something other than SFTP: {words!r}",
            hint="does a start-up file of the log-in shell, such as .bashrc, print something?",
        )

    # -- ends --------------------------------------------------------------------------------------

    def _broken(self, error: BaseException | None) -> RedError:
        cause = str(error) if error and str(error) else "the connection was lost"
        return TemporaryFailure(f"{self.host}: {cause}")

    def lose(self, error: RedError) -> None:
        """End the conversation: every thread that waits for a response gets ``error``.

        The connection is cut; before SFTP has begun, that is for ``begin`` to do.
        """
        if self._lost is None:
            self._lost = error
        waiting, self._waiting = self._waiting, {}
        for flow in {id(flow): flow for flow, _ in list(waiting.values())}.values():
            flow.replies.put((None, -1, b""))
        if self._begun:
            self._cut()

    def _cut(self) -> None:
        from connectors.ssh.transport import corrections

        corrections.cut(self._channel)

    def why_lost(self) -> RedError:
        return self._lost or self._broken(None)


def sender(channel: Any) -> Callable[[Any, memoryview], int]:
    """A function of a channel and data that sends on ``channel`` and returns the bytes accepted."""
    from connectors.ssh.transport import fast_packets

    if fast_packets.fast_packetizer(channel.get_transport()):
        return fast_packets.send
    return lambda channel, data: int(channel.send(data))
