"""The shared state of one transfer: settings, progress, receipts, pace and cancellation."""

import threading

from connectors.settings import Settings
from connectors.transfer.pace import Pace
from connectors.transfer.progress import Progress
from connectors.transfer.receipt import Receipts

TIDY_SECONDS = 1.5
"""Time for a cancelled call to remove its files from the server: see Remote.write."""


class Cancelled(BaseException):
    """The call was interrupted; raised in its worker threads so that they end."""


class Job:
    def __init__(self, settings: Settings, progress: Progress, receipts: Receipts) -> None:
        self.settings = settings
        self.progress = progress
        self.receipts = receipts
        self.cancelled = threading.Event()
        self.pace = Pace(settings.retries, settings.timeout, self.pause)

    def check_cancelled(self) -> None:
        if self.cancelled.is_set():
            raise Cancelled

    def pause(self, seconds: float) -> None:
        """Sleep; a cancellation ends it."""
        if self.cancelled.wait(seconds):
            raise Cancelled
