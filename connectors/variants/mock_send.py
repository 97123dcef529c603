"""For testing experiments with any connector: receives, but only logs what it would send."""

from connectors import log
from connectors.model import Verb
from connectors.remote import Decorated, Remote, Source


class MockSend(Decorated):
    """``sends``: opened for sending, so that no server is contacted."""

    def __init__(self, remote: Remote, *, sends: bool) -> None:
        super().__init__(remote)
        self._sends = sends

    def open(self) -> None:
        if not self._sends:
            self.remote.open()

    def check(self, verb: Verb, path: str) -> None:
        if not verb.sends:
            self.remote.check(verb, path)

    def write(self, path: str, source: Source) -> None:
        source.skip()
        log.info(f"{source.path} not sent to {self.describe(path)}: this connector never sends")

    def make_dir(self, path: str) -> None:
        log.info(f"{self.describe(path)} not created: this connector never sends")
