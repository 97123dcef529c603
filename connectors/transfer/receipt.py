"""One line of JSON per file moved: source, target, checksum, duration."""

import json
import os

from connectors import secrets
from connectors.errors import ConfigError, Fault
from connectors.local.files import reason, writing
from connectors.model import Verb


class Receipts:
    """The file named by RED_RECEIPT; without one nothing is written, and no checksum computed for it."""

    def __init__(self, path: str) -> None:
        self._path = path
        self._fd = -1
        self.wanted = bool(path)
        if path:
            try:
                self._fd = os.open(
                    path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC | os.O_NONBLOCK, 0o666
                )
                os.set_blocking(self._fd, True)  # was needed only to open a FIFO without a reader
            except (OSError, ValueError) as error:
                why = reason(error) if isinstance(error, OSError) else str(error)
                raise ConfigError([Fault("RED_RECEIPT", f"cannot write {path}: {why}")]) from None

    def add(
        self, verb: Verb, local: str, remote: str, size: int, sha256: str, seconds: float, attempts: int
    ) -> None:
        """Record a moved file: ``size`` in bytes, ``seconds``, and the number of ``attempts``."""
        line = {
            "verb": verb.value,
            "local": secrets.redact(local),
            "remote": secrets.redact(remote),
            "bytes": size,
            "sha256": sha256,
            "seconds": round(seconds, 6),
            "attempts": attempts,
        }
        with writing(self._path):  # one write in append mode: lines of two processes never mix
            os.write(self._fd, json.dumps(line).encode() + b"\n")

    def close(self) -> None:
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1
