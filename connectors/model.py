"""What every part of the program speaks of: verbs, access data, checksums, versions, entries of a tree."""

from collections.abc import Mapping, Sequence
from enum import StrEnum
from typing import Any, NamedTuple

Access = Mapping[str, Any]
"""Access data of a connector: valid, its variables and defaults filled in."""


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
    """What the server says of the file that it is about to deliver.

    ``validator`` tells this version from every other one and is empty where nothing does; ``size`` is
    in bytes; ``checksums`` are of the whole file; ``executable`` says that it is a program.
    """

    validator: str = ""
    size: int | None = None
    checksums: tuple[Checksum, ...] = ()
    executable: bool = False


class Entry(NamedTuple):
    """One file or directory of a tree: its path below the tree's root, and what is known of it.

    ``size`` is in bytes; ``version`` is what the server has said of a file. Names that are not UTF-8 are as
    os.fsdecode makes them.
    """

    path: str
    is_dir: bool
    size: int | None = None
    checksum: Checksum | None = None
    version: Version | None = None


class Promise(NamedTuple):
    """What the caller says of the content to move, which must be true of it.

    ``listing`` is None where there is none (an empty one is an empty directory). ``size`` (bytes) and
    ``checksum`` are those of a single file.
    """

    listing: Sequence[Entry] | None = None
    size: int | None = None
    checksum: Checksum | None = None
