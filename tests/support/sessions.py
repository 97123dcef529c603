"""Sessions for tests of opening one, without a transfer."""

import contextlib
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from connectors.errors import RedError
from connectors.settings import Settings
from connectors.ssh.login.destination import Login, Place, Server
from connectors.ssh.login.ssh_session import Session
from connectors.transfer.job import Job
from connectors.transfer.progress import Progress
from connectors.transfer.receipt import Receipts
from tests.servers import PASSWORD
from tests.servers.sshd import ACCOUNT, Sshd, make_key

WITH_PASSWORD = Login(ACCOUNT, PASSWORD)
WRONG = Login(ACCOUNT, "not the password")


def job(**settings: Any) -> Job:
    """A job with short timeouts, unless ``settings`` override them."""
    return Job(Settings(**{"timeout": 10.0, **settings}), Progress(), Receipts(""))


def at(server: Sshd, login: Login = WITH_PASSWORD, host_key: str = "ed25519") -> Server:
    """``server``; ``host_key`` is one of its kinds, or the document's value."""
    return Server(server.host, server.port, login, server.fingerprints.get(host_key, host_key))


def local(port: int, login: Login = WITH_PASSWORD) -> Server:
    """A server on that local port."""
    return Server("127.0.0.1", port, login)


def with_key(path: Path) -> Login:
    return Login(ACCOUNT, private_key=str(path))


def new_key(server: Sshd, work: Path, kind: str) -> Login:
    """An authorized key of that kind."""
    server.authorize(make_key(work / kind, kind)[0])
    return with_key(work / kind)


@contextlib.contextmanager
def opened(server: Server, work: Job | None = None, **place: Any) -> Iterator[Session]:
    """An open session."""
    with closing(server, work, **place) as session:
        session.open()
        yield session


@contextlib.contextmanager
def closing(server: Server, work: Job | None = None, **place: Any) -> Iterator[Session]:
    """An unopened session."""
    session = Session(Place(server, "", **place), work or job())
    try:
        yield session
    finally:
        session.close()


def failure(server: Server, work: Job | None = None, within: float = 5.0, **place: Any) -> RedError:
    """The error that opening a session raises ``within`` so many seconds."""
    begun = time.monotonic()
    with pytest.raises(RedError) as caught, opened(server, work, **place):
        pass
    assert time.monotonic() - begun < within
    return caught.value
