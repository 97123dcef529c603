"""Host names, and what is said where one cannot be reached."""

import errno
import socket
from pathlib import Path

import pytest

from connectors.errors import HostNotFound, RedError, TemporaryFailure
from connectors.local import container
from connectors.net import dial, hosts

RUNNING = "is the server running, and the port right?"


@pytest.fixture
def outside(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(container, "SIGNS", ())
    monkeypatch.delenv(container.KUBERNETES, raising=False)


@pytest.mark.usefixtures("outside")
@pytest.mark.parametrize("host", ["localhost", "127.0.0.1", "::1", "example.com"])
def test_outside_of_containers_the_server_may_not_be_running(host: str) -> None:
    assert hosts.unreachable(host) == RUNNING


@pytest.mark.usefixtures("outside")
def test_in_a_container_it_is_said_what_localhost_is_there(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(container, "SIGNS", (str(tmp_path / "not there"), str(tmp_path)))
    for host in ("localhost", "127.0.0.1", "::1"):
        hint = hosts.unreachable(host)
        assert hint.startswith(f"{RUNNING} ")
        assert f"{host} is the container itself: docker run --network host" in hint
    assert hosts.unreachable("example.com") == RUNNING


@pytest.mark.parametrize(
    ("code", "error"),
    [(socket.EAI_AGAIN, TemporaryFailure), (socket.EAI_NONAME, HostNotFound), (errno.EIO, HostNotFound)],
)
def test_a_name_server_that_does_not_answer_is_temporary(
    monkeypatch: pytest.MonkeyPatch, code: int, error: type[RedError]
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise socket.gaierror(code, "why")

    monkeypatch.setattr(socket, "getaddrinfo", fail)
    with pytest.raises(error, match=r"cannot find .*: why"):
        dial.addresses("example.com", 80)


def test_a_name_that_never_exists_is_not_looked_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(socket, "getaddrinfo", None)
    with pytest.raises(HostNotFound):
        dial.addresses("no-such-host.invalid", 80)
