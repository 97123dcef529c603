"""What every part of one transfer shares: settings, progress, receipts, the pace, and whether to stop."""

import threading

from connectors.settings import Settings
from connectors.transfer.pace import Pace
from connectors.transfer.progress import Progress
from connectors.transfer.receipt import Receipts

TIDY_SECONDS = 1.5
"""What a cancelled call has left to remove what it has put at the server: see Remote.write."""


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
        """Sleep, but not through a cancellation."""
        if self.cancelled.wait(seconds):
            raise Cancelled
