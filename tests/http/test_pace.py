"""red-connector-http: a server that takes only so many requests gets them one after the other."""

import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from connectors.errors import TemporaryFailure
from connectors.http.transport.client import Client, Identity
from connectors.transfer.pace import Pace
from tests.servers.fault import FaultServer, Limit, Reply
from tests.support.program import run
from tests.support.sessions import job
from tests.support.trees import file, read, write

HTTP = "red-connector-http"
TREE = {f"f{number:02}": b"%d" % number for number in range(40)}
PATIENT = {"RED_RETRIES": "4", "RED_TIMEOUT": "60"}  # as it is without any settings


@pytest.fixture
def directory(faulty: FaultServer) -> dict[str, str]:
    for name, content in TREE.items():
        faulty.on(f"/d/{name}", Reply(content, pause=0.01))
    return {"url": f"{faulty.url}/d"}


@pytest.fixture
def client(faulty: FaultServer) -> Iterator[Client]:
    with closing(Client(Identity(faulty.url), job(retries=3, timeout=20), verify=True)) as made:
        yield made


LIMITS = {
    "20 a second, 429": lambda: Limit(429, rate=20),
    "30 a second, 503": lambda: Limit(503, rate=30),
    "one at a time": lambda: Limit(503, most=1),
    "two at a time": lambda: Limit(429, most=2),
}


@pytest.mark.parametrize("kind", LIMITS)
def test_a_directory_arrives_from_a_server_that_takes_few_requests(
    faulty: FaultServer, directory: dict[str, str], tmp_path: Path, kind: str
) -> None:
    faulty.limit = LIMITS[kind]()
    listing = [file(name) for name in TREE]
    result = run(HTTP, "receive-dir", directory, tmp_path / "d", "--listing", listing, env=PATIENT)
    assert result.code == 0, result.stderr
    assert read(tmp_path / "d") == TREE
    assert 0 < faulty.limit.refused < len(TREE)


def test_a_directory_goes_to_a_server_that_takes_few_requests(faulty: FaultServer, tmp_path: Path) -> None:
    """A file is a PUT and a look at it: what has gone through is not done again."""
    write(tmp_path / "d", TREE)
    faulty.limit = Limit(429, rate=40)
    access = {"url": f"{faulty.url}/to", "method": "PUT"}
    result = run(HTTP, "send-dir", access, tmp_path / "d", env=PATIENT)
    assert result.code == 0, result.stderr
    assert faulty.stored == {f"/to/{name}": content for name, content in TREE.items()}
    taken = [one.path for one in faulty.requests(method="PUT") if one.status == 201]
    assert len(taken) == len(TREE)


def test_all_workers_wait_for_retry_after(
    faulty: FaultServer, directory: dict[str, str], tmp_path: Path
) -> None:
    faulty.on("/d/f00", Reply(b"", 429, {"Retry-After": "2"}), Reply(TREE["f00"]))
    listing = [file(name) for name in TREE]
    result = run(HTTP, "receive-dir", directory, tmp_path / "d", "--listing", listing, env=PATIENT)
    assert result.code == 0, result.stderr
    refused = next(one.at for one in faulty.seen if one.status == 429)
    assert not [one for one in faulty.seen if refused + 0.2 < one.at < refused + 1.9]


def test_a_retry_begins_at_the_request_that_was_refused(faulty: FaultServer, tmp_path: Path) -> None:
    (tmp_path / "x").write_bytes(b"x")
    faulty.on("/x", Reply(status=503), Reply(status=429), Reply(b"x"), method="HEAD")
    access = {"url": f"{faulty.url}/x", "method": "PUT"}
    result = run(HTTP, "send-file", access, tmp_path / "x", env=PATIENT)
    assert result.code == 0, result.stderr
    assert len(faulty.requests("/x", "PUT")) == 1
    assert len(faulty.requests("/x", "HEAD")) == 3


@pytest.mark.parametrize("status", [429, 503])
def test_a_post_that_was_refused_is_sent_again(faulty: FaultServer, tmp_path: Path, status: int) -> None:
    (tmp_path / "x").write_bytes(b"content")
    url = faulty.on("/x", Reply(status=status), Reply(status=201), method="POST")
    result = run(HTTP, "send-file", {"url": url}, tmp_path / "x", env=PATIENT)
    assert result.code == 0, result.stderr
    assert [one.body for one in faulty.requests("/x", "POST")] == [b"content"] * 2


def test_a_server_that_refuses_everything_is_given_up_in_time(
    faulty: FaultServer, directory: dict[str, str], tmp_path: Path
) -> None:
    faulty.limit = Limit(503, most=0)
    listing = [file(name) for name in TREE]
    env = {"RED_RETRIES": "2", "RED_TIMEOUT": "60"}
    result = run(HTTP, "receive-dir", directory, tmp_path / "d", "--listing", listing, env=env)
    assert result.code == 75, result.stderr
    assert result.seconds < 15
    assert len(faulty.seen) < 60


def test_one_file_that_is_refused_for_ever_does_not_slow_the_others_down(
    faulty: FaultServer, directory: dict[str, str], tmp_path: Path
) -> None:
    faulty.on("/d/f00", Reply(b"", 503))
    listing = [file(name) for name in TREE]
    env = {"RED_RETRIES": "1", "RED_TIMEOUT": "60"}
    result = run(HTTP, "receive-dir", directory, tmp_path / "d", "--listing", listing, env=env)
    assert result.code == 75, result.stderr
    assert read(tmp_path / "d") == {name: content for name, content in TREE.items() if name != "f00"}
    assert result.seconds < 15


def test_a_final_refusal_is_passed_to_the_caller(faulty: FaultServer, client: Client) -> None:
    client._pace = Pace(0, 1, time.sleep)
    url = faulty.on("/x", Reply(b"why", 503))
    parts: list[bytes] = []
    heard: list[int] = []
    client.request("GET", url, on_reply=lambda reply: heard.append(reply.status), sink=parts.append)
    assert (heard, parts) == ([503], [b"why"])


def test_a_pace_is_lost_until_a_request_succeeds() -> None:
    waited: list[float] = []
    pace = Pace(1, 60, waited.append)
    for expected in (True, False):
        turn = pace.enter()
        pace.leave()
        assert pace.refused(turn, 0, None, "busy") == expected
        time.sleep(0)
    assert pace.is_lost
    pace.succeeded()
    assert not pace.is_lost


def test_refusals_of_one_burst_count_once() -> None:
    pace = Pace(1, 60, lambda seconds: None)
    turns = [pace.enter() for _ in range(8)]
    for turn in turns:
        pace.leave()
        assert pace.refused(turn, 0, None, "busy")
    assert not pace.is_lost


def test_a_network_failure_does_not_count_as_a_refusal(faulty: FaultServer, client: Client) -> None:
    with pytest.raises(TemporaryFailure):
        client.request("GET", faulty.on("/x", Reply(silent=True)))
    assert client._pace.enter() == 0
