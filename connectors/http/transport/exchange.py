"""One request and its response, through libcurl."""

import fcntl
import os
import sys
import termios
import time
from collections.abc import Callable, Collection
from contextlib import suppress
from threading import Event
from typing import Protocol

from connectors import secrets
from connectors.errors import LocalIOError, ProtocolViolation, RedError, TemporaryFailure
from connectors.http.transport import http_failures, reply
from connectors.http.transport.curl import pycurl
from connectors.http.transport.reply import Reply
from connectors.transfer.job import Cancelled

IDEMPOTENT = {"GET", "HEAD", "OPTIONS", "PUT", "DELETE", "PROPFIND", "MKCOL", "MOVE"}  # RFC 9110, 9.2.2; 4918
LONGEST_BODY = 64 << 20  # bytes of a response kept in memory, such as a directory page
NEAR = 0.0002  # seconds: a nearby server answers faster than a sleeping thread wakes up
HEADER_PATIENCE = 3  # times the time-out, for a header that trickles
WAKE_EVERY = 0.25  # seconds, to see whether the call was cancelled or the transfer has stalled


class Body(Protocol):
    """The source of a request body: a subset of connectors.remote.Source."""

    @property
    def size(self) -> int: ...

    @property
    def is_through(self) -> bool: ...

    def rewind(self) -> None: ...

    def read(self, count: int) -> bytes: ...


_left_behind: list["Line"] = []
"""Lines left open until the program ends: closing them would wait for libcurl's resolver, maybe minutes."""


class Line:
    """A libcurl handle with its open connections; for one thread at a time."""

    def __init__(self) -> None:
        try:
            self.handle = pycurl.Curl()
            self._multi = pycurl.CurlMulti()
        except pycurl.error as error:  # out of file descriptors
            raise LocalIOError(f"cannot open another connection: {error}") from None
        self.purpose: object = None  # what the handle is set up for
        self._is_busy = False

    def perform(self, still_wanted: Callable[[], None]) -> None:
        """Make the request that ``handle`` is set up for; pycurl.error if that fails.

        ``still_wanted`` is called from time to time, and ends the transfer by raising. (libcurl's progress
        callback would be called for every block.)
        """
        self._multi.add_handle(self.handle)
        self._is_busy = True
        running = 1
        spin_until = time.monotonic() + NEAR
        while running:
            _, running = self._multi.perform()
            if running and time.monotonic() > spin_until:
                still_wanted()
                at_once = self._multi.timeout() == 0  # there is more to do now
                if not at_once and self._multi.select(WAKE_EVERY) < 0:
                    time.sleep(0.001)
        self._is_busy = False
        _, _, failed = self._multi.info_read()
        self._multi.remove_handle(self.handle)
        for _, code, text in failed:
            raise pycurl.error(code, text)

    @property
    def is_resolving(self) -> bool:
        """Whether it is still resolving the host name."""
        getinfo = self.handle.getinfo
        return self._is_busy and getinfo(pycurl.ACTIVESOCKET) < 0 and not getinfo(pycurl.NAMELOOKUP_TIME)

    def close(self) -> None:
        if self.is_resolving:
            _left_behind.append(self)
        else:
            self._multi.close()
            self.handle.close()


class Exchange:
    """A request and its response. Its methods are libcurl's callbacks."""

    def __init__(
        self,
        method: str,
        url: str,
        *,
        source: Body | None = None,
        on_reply: Callable[[Reply], None] | None = None,
        sink: Callable[[bytes], None] | None = None,
        not_final: Collection[int] = (),
    ) -> None:
        """A redirect, or a response with a status in ``not_final``, is not passed to ``on_reply`` or
        ``sink``, only returned by ``run``."""
        self.method = method
        self.url = url
        self.source = source
        self._on_reply = on_reply
        self._sink = sink
        self._not_final = not_final
        self._reply: Reply | None = None
        self._header_lines = 0
        self._raised: BaseException | None = None
        self.lines: list[bytes] = []
        self._body: list[bytes] = []
        self._body_size = 0
        self._take: Callable[[bytes], None] = self._take_first

    def run(self, line: Line, timeout: float, cancelled: Event | None) -> Reply:
        """Perform it on ``line``; ends if ``cancelled`` is set or nothing moves for ``timeout`` seconds."""
        handle = line.handle
        self._set_up(handle)
        watch = _Watch(line, self, timeout, cancelled)
        try:
            line.perform(watch)
        except pycurl.error as error:
            if self._raised:
                raise self._raised from None
            self._hear_what_came()
            raise self._translated(error, handle) from None
        except TemporaryFailure as failure:
            self._hear_what_came()
            raise self._repeatable(failure, handle) from None
        finally:
            del self._take  # a reference cycle: it would keep the data in memory until collected
        try:
            answer = self._reply or self._answered()
        except reply.Cut as failure:
            raise self._repeatable(failure, handle) from None
        behind = self.lines[self._header_lines :]
        return answer._replace(body=b"".join(self._body), trailers=reply.fields(behind) if behind else {})

    @property
    def has_body(self) -> bool:
        """Whether the body of the final answer has begun to arrive."""
        return self._reply is not None

    @property
    def has_answer(self) -> bool:
        """Whether the header of the final answer has arrived."""
        return self._reply is not None or bool(self._heard())

    def _set_up(self, handle: pycurl.Curl) -> None:
        handle.setopt(pycurl.HEADERFUNCTION, self.lines.append)
        handle.setopt(pycurl.WRITEFUNCTION, self._received)
        handle.setopt(pycurl.CUSTOMREQUEST, self.method)
        if self.method == "HEAD":
            handle.setopt(pycurl.NOBODY, 1)
        if self.source:
            handle.setopt(pycurl.UPLOAD, 1)
            handle.setopt(pycurl.INFILESIZE_LARGE, self.source.size)
            handle.setopt(pycurl.READFUNCTION, self._to_send)
            handle.setopt(pycurl.SEEKFUNCTION, self._seek)
        if self.method not in IDEMPOTENT:
            handle.setopt(pycurl.FRESH_CONNECT, 1)  # on a reused connection libcurl would repeat it

    # -- callbacks: an exception must not leave them, libcurl would print it ------------------------

    def _received(self, data: bytes) -> int | None:
        """Called 65,536 times per gigabyte: libcurl passes 16 KiB at most."""
        try:
            self._take(data)
        except BaseException as error:
            self._raised = error
            return -1
        return None

    def _take_first(self, data: bytes) -> None:
        answer = self._answered()
        self._take = self._sink if self._sink and self._is_final(answer) else self._keep
        self._take(data)

    def _keep(self, data: bytes) -> None:
        self._body_size += len(data)
        if self._body_size > LONGEST_BODY:
            place = secrets.shown_url(self.url)
            raise ProtocolViolation(f"{place}: an answer of more than {LONGEST_BODY} bytes")
        self._body.append(data)

    def _to_send(self, count: int) -> bytes | int:
        try:
            assert self.source
            return self.source.read(count)
        except BaseException as error:
            self._raised = error
            return pycurl.READFUNC_ABORT

    def _seek(self, offset: int, origin: int) -> int:
        try:
            if offset or origin != os.SEEK_SET or not self.source:
                return pycurl.SEEKFUNC_CANTSEEK
            if self.method not in IDEMPOTENT and self.source.is_through:
                raise TemporaryFailure(f"{secrets.shown_url(self.url)}: no answer", repeatable=False)
            self.source.rewind()
        except BaseException as error:
            self._raised = error
            return pycurl.SEEKFUNC_FAIL
        return pycurl.SEEKFUNC_OK

    # -- answers -----------------------------------------------------------------------------------

    def _answered(self) -> Reply:
        """The final answer, once its header is complete."""
        self._reply, self._header_lines = reply.header(self.lines, self.url)
        if self._on_reply and self._is_final(self._reply):
            self._on_reply(self._reply)
        return self._reply

    def _is_final(self, answer: Reply) -> bool:
        return not (answer.redirects or answer.status in self._not_final)

    def _heard(self) -> Reply | None:
        """The response whose header came last, if it is final: not 100 Continue, not a challenge."""
        with suppress(RedError):
            answer, _ = reply.header(self.lines, self.url)
            if answer.status >= 200 and answer.status not in (401, 407):
                return answer
        return None

    def check_header(self) -> None:
        """ProtocolViolation if the header is here and invalid: libcurl may wait for a body whose length it
        misread."""
        if not self._reply:
            with suppress(reply.Cut):
                reply.header(self.lines, self.url)

    def _hear_what_came(self) -> None:
        """Use the header of a response that was cut short before its body."""
        if not self._reply and self._heard():
            self._answered()

    def _translated(self, error: pycurl.error, handle: pycurl.Curl) -> RedError:
        failure = http_failures.of_curl(error, secrets.shown_url(self.url), handle)
        return self._repeatable(failure, handle) if isinstance(failure, TemporaryFailure) else failure

    def _repeatable(self, failure: TemporaryFailure, handle: pycurl.Curl) -> TemporaryFailure:
        """A request that is not idempotent may be repeated only if none of it was sent."""
        failure.repeatable = self.method in IDEMPOTENT or not handle.getinfo(pycurl.REQUEST_SIZE)
        return failure


class _Watch:
    """Called while a transfer runs; raises Cancelled, or TemporaryFailure after ``timeout`` s without a byte.

    Header and trailer lines could trickle forever, and so could responses like 102 Processing or the page of
    a challenge: all of them together get HEADER_PATIENCE times as long. libcurl's low-speed limit is an
    average, and would end a body that trickles.
    """

    def __init__(self, line: Line, exchange: Exchange, timeout: float, cancelled: Event | None) -> None:
        self._handle = line.handle
        self._line = line
        self._exchange = exchange
        self._timeout = timeout
        self._cancelled = cancelled
        self._moved = 0.0
        self._heard = 0.0
        self._has_answer = False
        self._moved_at = self._heard_at = time.monotonic()

    def __call__(self) -> None:
        if self._cancelled and self._cancelled.is_set():
            raise Cancelled
        arrived = self._handle.getinfo(pycurl.SIZE_DOWNLOAD_T)
        moved = self._handle.getinfo(pycurl.REQUEST_SIZE)
        if self._exchange.has_body:
            moved += arrived
        if self._exchange.source:
            moved += self._handle.getinfo(pycurl.SIZE_UPLOAD_T) - self._unsent()
        now = time.monotonic()
        if moved != self._moved:
            self._moved, self._moved_at, self._heard_at = moved, now, now
            return
        heard = len(self._exchange.lines) + arrived
        if heard != self._heard:
            self._heard, self._heard_at = heard, now
        self._exchange.check_header()
        place = secrets.shown_url(self._exchange.url)
        still = now - self._heard_at
        if self._line.is_resolving and still > self._timeout - min(2 * WAKE_EVERY, self._timeout / 2):
            # just before libcurl's limit, after which it would wait for its resolver
            raise TemporaryFailure(f"{place}: no name server answered within {self._timeout:g} s")
        if still > self._timeout:
            raise TemporaryFailure(f"{place}: no byte for {self._timeout:g} s")
        patience = HEADER_PATIENCE * self._timeout
        if now - self._moved_at > patience:
            if self._has_answer or not self._exchange.has_answer:
                raise TemporaryFailure(f"{place}: header or trailer not complete within {patience:g} s")
            self._has_answer, self._moved_at = True, now

    def _unsent(self) -> int:
        """Bytes still in the kernel's send buffer: while they decrease, the transfer is not stalled."""
        socket = self._handle.getinfo(pycurl.ACTIVESOCKET)
        try:
            return int.from_bytes(fcntl.ioctl(socket, termios.TIOCOUTQ, bytes(4)), sys.byteorder)
        except (OSError, ValueError):  # no socket yet, or already closed
            return 0
