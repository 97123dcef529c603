"""Types used throughout the program: verbs, access data, checksums, versions, entries of a tree."""

from collections.abc import Mapping, Sequence
from enum import StrEnum
from typing import Any, NamedTuple

Access = Mapping[str, Any]
"""Valid access data of a connector, with variables and defaults filled in."""


class Verb(StrEnum):
    """A transfer of *RED Connector CLI 1*, which a connector may offer; each also exists as
    ``<verb>-validate``."""

    RECEIVE_FILE = "receive-file"
    SEND_FILE = "send-file"
    RECEIVE_DIR = "receive-dir"
    SEND_DIR = "send-dir"
    MOUNT_DIR = "mount-dir"

    @property
    def of_directory(self) -> bool:
        return self in (Verb.RECEIVE_DIR, Verb.SEND_DIR, Verb.MOUNT_DIR)

    @property
    def sends(self) -> bool:
        return self in (Verb.SEND_FILE, Verb.SEND_DIR)


RECEIVE_FILE = Verb.RECEIVE_FILE
SEND_FILE = Verb.SEND_FILE
RECEIVE_DIR = Verb.RECEIVE_DIR
SEND_DIR = Verb.SEND_DIR
MOUNT_DIR = Verb.MOUNT_DIR


class Checksum(NamedTuple):
    """``algorithm`` is one of checksum.DIGEST_SIZES; ``digest`` is lower-case hexadecimal."""

    algorithm: str
    digest: str

    def __str__(self) -> str:
        return f"{self.algorithm}${self.digest}"


class Version(NamedTuple):
    """What the server reports about the file that it is about to send.

    ``validator`` identifies this version and is empty if the server gives none; ``size`` is
    in bytes; ``checksums`` are of the whole file; ``executable`` marks a program.
    """

    validator: str = ""
    size: int | None = None
    checksums: tuple[Checksum, ...] = ()
    executable: bool = False


class Entry(NamedTuple):
    """One file or directory of a tree: its path below the tree's root, and what is known about it.

    ``size`` is in bytes; ``version`` is what the server reported for it. Names that are not UTF-8
    are decoded as by os.fsdecode.
    """

    path: str
    is_dir: bool
    size: int | None = None
    checksum: Checksum | None = None
    version: Version | None = None


class Promise(NamedTuple):
    """What the content to move must match, according to the caller.

    ``listing`` is None if not given (an empty one is an empty directory). ``size`` (bytes) and
    ``checksum`` are for a single file.
    """

    listing: Sequence[Entry] | None = None
    size: int | None = None
    checksum: Checksum | None = None
