"""The verbs of *RED Connector CLI 1*: what a connector can be asked to do."""

from enum import StrEnum


class Verb(StrEnum):
    """A transfer that a connector may offer; each also exists as ``<verb>-validate``."""

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
