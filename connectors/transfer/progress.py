"""Progress of a transfer: a bar on a terminal, occasional lines in a log, or nothing."""

import os
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

from connectors import log, secrets
from connectors.settings import Settings

LOG_EVERY = 10.0  # seconds between lines; the first comes after one


class Progress:
    """Counts bytes, from any thread, and shows nothing."""

    def moved(self, count: int) -> None:
        """``count`` more bytes were moved; negative if some must be moved again."""

    def expect(self, count: int) -> None:
        """Add ``count`` bytes to the expected total; may be negative."""


class _Counting(Progress):
    def __init__(self) -> None:
        self._lock = threading.Lock()
        self.bytes = 0
        self.total = 0

    def moved(self, count: int) -> None:
        with self._lock:
            self.bytes += count
            self.show()

    def expect(self, count: int) -> None:
        with self._lock:
            self.total += count

    def show(self) -> None:
        """Called under the lock after each change."""


class _Log(_Counting):
    def __init__(self, label: str) -> None:
        super().__init__()
        self.label = label
        self.began = time.monotonic()
        self.next = self.began + 1

    def show(self) -> None:
        if time.monotonic() >= self.next:
            self.next = time.monotonic() + LOG_EVERY
            self.line()

    def line(self) -> None:
        seconds = time.monotonic() - self.began
        share = f" of {self.total}" if self.total else ""
        log.info(
            f"{self.label}: {self.bytes}{share} bytes in {seconds:.1f} s",
            bytes=self.bytes,
            total=self.total or None,
            seconds=round(seconds, 3),
        )


class _Bar(_Counting):
    def __init__(self, label: str) -> None:
        super().__init__()
        from tqdm import tqdm  # 50 ms: only on a terminal

        tqdm.monitor_interval = 0  # no thread of its own
        self.bar = tqdm(
            desc=secrets.redact(label), unit="B", unit_scale=True, file=sys.stderr, dynamic_ncols=True
        )

    def show(self) -> None:
        self.bar.total = self.total or None
        self.bar.update(self.bytes - self.bar.n)


@contextmanager
def showing(settings: Settings, label: str) -> Iterator[Progress]:
    """The Progress for ``settings``; its final state is shown on leaving."""
    kind = _kind(settings)
    if kind == "log":
        lines = _Log(label)
        try:
            yield lines
        finally:
            lines.line()
    elif kind == "bar":
        bar = _Bar(label)
        try:
            yield bar
        finally:
            bar.bar.close()
    else:
        yield Progress()


def _kind(settings: Settings) -> str:
    """bar, log or off. A terminal without a width or without carriage return gets lines, like a log."""
    if settings.progress != "auto":
        return settings.progress
    if settings.log != "text" or not sys.stderr or not sys.stderr.isatty():
        return "off"
    if os.environ.get("TERM") == "dumb":
        return "log"
    try:
        columns = os.get_terminal_size(sys.stderr.fileno()).columns
    except (OSError, ValueError):
        columns = 0
    return "bar" if columns else "log"
