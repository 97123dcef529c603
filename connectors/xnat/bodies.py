"""Request bodies for XNAT: a file whose MD5 is computed while it is sent, and small files in memory."""

import io
import os
from collections.abc import Iterator

from connectors.checksum import hasher
from connectors.model import Checksum
from connectors.remote import Source

BLOCK = 1 << 20  # bytes
OCTETS = "application/octet-stream"


class HashedSource:
    """A source that computes its MD5 while it is read, to compare with XNAT's.

    ``was_repeated``: it was sent completely and then again, for example by libcurl after the connection
    ended without a response. So the server may have the file already.
    """

    def __init__(self, source: Source) -> None:
        self._source = source
        self._md5 = hasher("md5")
        self.was_repeated = False

    @property
    def size(self) -> int:
        return self._source.size

    @property
    def is_through(self) -> bool:
        return self._source.is_through

    @property
    def checksum(self) -> Checksum:
        return Checksum("md5", self._md5.hexdigest())

    def read_through(self) -> Checksum:
        """The checksum; reads the whole source as if it were sent."""
        self.rewind()
        while self.read(BLOCK):
            pass
        found = self.checksum
        self.rewind()
        self.was_repeated = False
        return found

    def rewind(self) -> None:
        self.was_repeated |= self.is_through
        self._source.rewind()
        self._md5 = hasher("md5")

    def read(self, count: int) -> bytes:
        data = self._source.read(count)
        self._md5.update(data)
        return data


class Content:
    """Bytes in memory. ``was_repeated`` is as in ``HashedSource``."""

    def __init__(self, content: bytes) -> None:
        self._content = content
        self._at = 0
        self.was_repeated = False

    @property
    def size(self) -> int:
        return len(self._content)

    @property
    def is_through(self) -> bool:
        return 0 < self.size == self._at

    def rewind(self) -> None:
        self.was_repeated |= self.is_through
        self._at = 0

    def read(self, count: int) -> bytes:
        data = self._content[self._at : self._at + count]
        self._at += len(data)
        return data


def md5(content: bytes) -> Checksum:
    return Checksum("md5", hasher("md5", content).hexdigest())


def of_file(source: HashedSource | Content) -> tuple[HashedSource | Content, str]:
    """The request body for a file, and its media type: XNAT does not accept an empty body
    (docs/xnat-rest-api.md, 5.7)."""
    if source.size:
        return source, OCTETS
    boundary = f"red-{os.urandom(12).hex()}"
    head = 'Content-Disposition: form-data; name="file"; filename="file"\r\n'
    kind = "Content-Type: application/octet-stream\r\n"
    body = f"--{boundary}\r\n{head}{kind}\r\n\r\n--{boundary}--\r\n"
    return Content(body.encode("ascii")), f"multipart/form-data; boundary={boundary}"


class Archive:
    """A zip in memory that can be unpacked while it arrives.

    It is not compressed, which would cost more time than it saves. Each file's size precedes it: Java
    reads stored files from a stream only so (java.util.zip.ZipInputStream: "only DEFLATED entries can
    have EXT descriptor").
    """

    def __init__(self) -> None:
        import zipfile  # 5 ms, not needed for a single file

        self._packed = io.BytesIO()
        self._open = zipfile.ZipFile
        self._zip = self._open(self._packed, "w", zipfile.ZIP_STORED)
        self._entry = zipfile.ZipInfo
        self.count = 0

    @property
    def size(self) -> int:
        """Bytes written so far."""
        return self._packed.tell()

    def add(self, name: str, content: bytes) -> None:
        info = self._entry(name)
        info.external_attr = 0o644 << 16  # otherwise unzip creates unreadable files
        self._zip.writestr(info, content)
        self.count += 1

    def finished(self) -> bytes:
        """The complete archive; nothing can be added afterwards."""
        self._zip.close()
        return self._packed.getvalue()

    def halves(self) -> Iterator["Archive"]:
        """Split this finished archive into two, yielded one after the other."""
        with self._open(self._packed) as whole:
            names = whole.namelist()
            for some in (names[: len(names) // 2], names[len(names) // 2 :]):
                half = Archive()
                for name in some:
                    half.add(name, whole.read(name))
                yield half
