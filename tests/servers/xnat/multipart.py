"""multipart/form-data, read as a stream: a part may be larger than memory."""

from collections.abc import Iterator
from email.message import Message
from email.parser import HeaderParser

from tests.servers.xnat.archive import BLOCK, Readable


class Part:
    """One part; read its content before requesting the next part."""

    def __init__(self, reader: "_Reader", headers: Message) -> None:
        self._reader = reader
        self.name = str(headers.get_param("name", "", "content-disposition"))
        self.filename = str(headers.get_param("filename", "", "content-disposition"))

    def read(self, size: int = -1) -> bytes:
        """At most ``size`` bytes, if positive; empty at the part's end."""
        if size >= 0:
            return self._reader.content(size)
        return b"".join(iter(lambda: self._reader.content(BLOCK), b""))


class _Reader:
    def __init__(self, source: Readable, boundary: str) -> None:
        self._source = source
        self._mark = b"\r\n--" + boundary.encode()
        self._buffer = b"\r\n"
        self._done = False

    def _fill(self) -> bool:
        block = self._source.read(BLOCK)
        self._buffer += block
        return bool(block)

    def content(self, size: int) -> bytes:
        """Bytes before the next boundary."""
        while True:
            at = self._buffer.find(self._mark)
            safe = at if at >= 0 else len(self._buffer) - len(self._mark)
            if safe > 0 or at == 0:
                data, self._buffer = self._buffer[: min(safe, size)], self._buffer[min(safe, size) :]
                return data
            if not self._fill():
                raise ValueError("the last boundary is missing")

    def head(self) -> Message | None:
        """Skip the next boundary and read the part's headers; None after the last part."""
        while self.content(BLOCK):
            pass
        self._buffer = self._buffer[len(self._mark) :]
        while b"\r\n\r\n" not in self._buffer and not self._buffer.startswith(b"--"):
            if not self._fill():
                raise ValueError("a part without an end of its headers")
        if self._buffer.startswith(b"--"):
            while self._source.read(BLOCK):
                pass
            return None
        text, _, self._buffer = self._buffer.partition(b"\r\n\r\n")
        return HeaderParser().parsestr(text.lstrip(b"\r\n").decode("utf-8", "replace"))


def parts(source: Readable, boundary: str) -> Iterator[Part]:
    """All parts in turn. ValueError if it is not a multipart body."""
    reader = _Reader(source, boundary)
    while headers := reader.head():
        yield Part(reader, headers)
