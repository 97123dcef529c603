"""XNAT from a distance: connections that are begun early, and a session that ends under the last answer."""

import contextlib
import errno
import json
import os
import socket
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from connectors.errors import TemporaryFailure
from connectors.http.transport import early
from connectors.http.transport.client import Client, Identity
from connectors.http.transport.curl import pycurl
from connectors.transfer.job import TIDY_SECONDS
from connectors.xnat import parting
from tests.servers import authority, delay, fickle, xnat
from tests.servers.xnat import Fault, Xnat
from tests.support import program
from tests.support.sessions import job
from tests.support.xnat_calls import SCAN, Archive

DELAY = 0.03  # seconds each way


@pytest.fixture
def relay(xnat_site: Xnat) -> Iterator[delay.Relay]:
    with delay.start(xnat_site.port, DELAY, handshake=True) as running:
        yield running


def send(archive: Archive, relay: delay.Relay, body: bytes = b"123", **env: str) -> program.Result:
    (archive.here / "out").write_bytes(body)
    access = archive.access(baseUrl=f"http://127.0.0.1:{relay.port}")
    return archive.call("send-file", access, archive.here / "out", **env)


def empty(archive: Archive) -> None:
    archive.site.seen.clear()
    archive.site.resource(SCAN, "R").disk.clear()
    archive.site.resource(SCAN, "R").catalogue.clear()


def test_the_session_ends_while_the_last_answer_is_under_way(archive: Archive, relay: delay.Relay) -> None:
    for _ in range(3):  # on a busy machine the two may change places; the next test says what happens then
        result = send(archive, relay)
        assert result.code == 0, result.stderr
        assert archive.site.tree(SCAN, "R") == {"x": b"123"}
        assert archive.site.open_sessions() == 0
        asked = archive.site.seen[:]
        empty(archive)
        if [one.method for one in asked] == ["GET", "PUT", "GET", "DELETE"]:
            break
    _, _, listed, ended = asked
    assert ended.at - listed.at < 2 * DELAY, "it has waited for the list"
    assert listed.session == ended.session != ""
    assert len({one.connection for one in asked}) == 2


def test_where_the_session_is_over_before_the_list_is_made_the_next_one_is_ended_too(
    archive: Archive, relay: delay.Relay
) -> None:
    """Two connections have no order. The credentials that come with it log the list in once more."""
    archive.site.fail("GET", "/files", Fault(pause=0.3))
    result = send(archive, relay)
    assert result.code == 0, result.stderr
    assert archive.site.log_ins == 2
    assert archive.site.open_sessions() == 0


@pytest.mark.parametrize("fault", [Fault(500), Fault(drop=0), Fault(401), Fault(pause=5)])
def test_a_log_out_that_fails_is_tried_once_more_and_hides_no_result(
    archive: Archive, relay: delay.Relay, fault: Fault
) -> None:
    archive.site.fail("DELETE", "JSESSION", fault)
    result = send(archive, relay)
    assert result.code == 0, result.stderr
    assert archive.site.open_sessions() == 0
    assert result.seconds < 4


def test_all_that_ends_the_session_does_not_take_longer_than_one_log_out(
    archive: Archive, relay: delay.Relay
) -> None:
    usual = send(archive, relay).seconds
    empty(archive)
    archive.site.fail("DELETE", "JSESSION", Fault(pause=5, times=-1))
    result = send(archive, relay)
    assert result.code == 0, result.stderr
    assert result.seconds - usual < 1.5 * TIDY_SECONDS


@pytest.mark.parametrize(
    "fault",
    [Fault(500), Fault(drop=0), Fault(truncate=5), *(Fault(status) for status in (200, 302, 401, 403, 404))],
)
def test_a_last_list_that_fails_is_asked_for_again(
    archive: Archive, relay: delay.Relay, fault: Fault
) -> None:
    archive.site.fail("GET", "/files", replace(fault, pause=0.05))
    result = send(archive, relay, RED_RETRIES="0")
    assert result.code == 0, result.stderr
    assert archive.site.tree(SCAN, "R") == {"x": b"123"}
    assert archive.site.open_sessions() == 0


def test_an_upload_that_fails_ends_the_session_once(archive: Archive, relay: delay.Relay) -> None:
    archive.site.fail("PUT", "/files", Fault(503, pause=0.1))
    result = send(archive, relay)
    assert result.code == 75, result.stderr
    assert [one.method for one in archive.site.seen] == ["GET", "PUT", "DELETE"]
    assert archive.site.open_sessions() == 0


def test_with_tls_as_well(tmp_path: Path) -> None:
    made = authority.make(tmp_path)
    with xnat.start(certificate=(made.certificate, made.key)) as site:
        site.make(SCAN)
        archive = Archive(site, tmp_path)
        archive.env["RED_CA_BUNDLE"] = str(made.ca)
        with delay.start(site.port, DELAY, handshake=True) as relay:
            (tmp_path / "out").write_bytes(b"123")
            access = archive.access(baseUrl=f"https://127.0.0.1:{relay.port}")
            result = archive.call("send-file", access, tmp_path / "out")
        assert result.code == 0, result.stderr
        assert site.tree(SCAN, "R") == {"x": b"123"}
        assert site.open_sessions() == 0


def test_a_wrong_password_is_shown_once_and_nothing_is_sent(archive: Archive, relay: delay.Relay) -> None:
    auth = {"username": archive.site.username, "password": "wrong"}
    (archive.here / "out").write_bytes(b"123")
    access = archive.access(baseUrl=f"http://127.0.0.1:{relay.port}", auth=auth)
    assert archive.call("send-file", access, archive.here / "out", RED_RETRIES="3").code == 77
    assert archive.site.refused == 1
    assert not archive.site.requests(method="PUT")


def test_checking_offline_calls_nobody_nor_does_a_document_with_faults_in_its_shape(
    archive: Archive, relay: delay.Relay
) -> None:
    access = archive.access(baseUrl=f"http://127.0.0.1:{relay.port}")
    assert archive.call("send-file-validate", access, "--offline").code == 0
    document = archive.here / "wrong.json"
    document.write_text(json.dumps({"command": 5, "access": access}))
    assert program.run("red-connector-xnat-http", "send-file-validate", document).code == 78
    assert relay.connections == 0


@pytest.mark.parametrize(
    "url", ["http://h/", "https://[::1]:8443/x", "http://a.b-c:1", "http://{{host}}/", "x", 5]
)
def test_only_plain_addresses_are_called_early_and_never_past_a_proxy(
    url: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    called: list[tuple[str, int]] = []

    def note(host: str, port: int, after: object) -> None:
        called.append((host, port))

    monkeypatch.setattr(early, "_Pending", note)
    monkeypatch.setattr(early, "_pending", [])
    for name in [name for name in os.environ if name.lower().endswith("_proxy")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("NO_PROXY", "elsewhere")
    early.begin(url, 1)
    plain = {"http://h/": ("h", 80), "https://[::1]:8443/x": ("::1", 8443), "http://a.b-c:1": ("a.b-c", 1)}
    expected = [plain[str(url)]] if url in plain else []
    assert called == expected
    monkeypatch.setenv("HTTPS_PROXY", "http://proxy:3128")
    early.begin(url, 1)
    assert called == expected


@pytest.mark.parametrize(
    ("command", "connections"),
    [("send-file", 2), ("send-file-validate", 1), ("send-dir", 1), ("receive-file", 1), ("receive-dir", 1)],
)
def test_no_more_connections_are_begun_than_are_used(
    archive: Archive, relay: delay.Relay, command: str, connections: int
) -> None:
    archive.site.place(SCAN, "R", "x", b"123")
    archive.site.place(SCAN, "R", "folder/y", b"123")
    local = archive.here / "local"
    if command == "send-dir":
        local.mkdir()
        (local / "z").write_bytes(b"4")
    elif command == "send-file":
        local.write_bytes(b"4")
    name = "folder" if command.endswith("dir") else "x" if command == "receive-file" else "z"
    access = archive.access(name, baseUrl=f"http://127.0.0.1:{relay.port}")
    result = archive.call(command, access, *([] if command.endswith("-validate") else [local]))
    assert result.code == 0, result.stderr
    assert relay.connections == connections


# --- connections that come to nothing ---


ENDED = [[fickle.RESET], [fickle.CLOSE], [fickle.RESET_LATE], [fickle.CLOSE_LATE]]
BOTH_ENDED = [
    [fickle.RESET, fickle.RESET],
    [fickle.CLOSE, fickle.CLOSE],
    [fickle.SERVE, fickle.RESET_LATE],
    [fickle.SERVE, fickle.CLOSE_LATE],
]


@pytest.mark.parametrize(
    ("verb", "fates"),
    [
        *(("receive-file", fates) for fates in ENDED),
        *(("send-file", fates) for fates in ENDED + BOTH_ENDED),
    ],
    ids=str,
)
def test_where_the_server_ends_a_connection_that_was_begun_early_another_one_is_made(
    archive: Archive, verb: str, fates: list[str]
) -> None:
    """It may have waited too long for a request; and it may end it at the moment at which that leaves."""
    archive.site.place(SCAN, "R", "x", b"123")
    (archive.here / "out").write_bytes(b"456")
    name = "x" if verb == "receive-file" else "y"
    with fickle.start(archive.site.port, *fates) as relay:
        access = archive.access(name, baseUrl=f"http://127.0.0.1:{relay.port}")
        result = archive.call(verb, access, archive.here / "out")
    assert (result.code, result.stderr) == (0, "")
    assert archive.site.open_sessions() == 0
    if verb == "receive-file":
        assert (archive.here / "out").read_bytes() == b"123"
    else:
        assert archive.site.tree(SCAN, "R") == {"x": b"123", "y": b"456"}


@pytest.mark.parametrize("fates", ENDED, ids=str)
def test_with_tls_too(tmp_path: Path, fates: list[str]) -> None:
    """There it may end as late as in the handshake."""
    made = authority.make(tmp_path)
    with (
        xnat.start(certificate=(made.certificate, made.key)) as site,
        fickle.start(site.port, *fates) as relay,
    ):
        site.place(SCAN, "R", "x", b"123")
        archive = Archive(site, tmp_path)
        archive.env["RED_CA_BUNDLE"] = str(made.ca)
        result = archive.receive(baseUrl=f"https://127.0.0.1:{relay.port}")
    assert (result.code, result.stderr) == (0, "")


@pytest.mark.parametrize("fate", [fickle.RESET_LATE, fickle.CLOSE_LATE])
def test_a_server_that_ends_all_connections_is_asked_twice_for_each_attempt_and_not_more(
    archive: Archive, fate: str
) -> None:
    with fickle.start(archive.site.port, *[fate] * 20) as relay:
        result = archive.receive(baseUrl=f"http://127.0.0.1:{relay.port}")
    assert result.code == 75, result.stderr
    assert relay.connections == 2


@pytest.mark.parametrize("fate", [fickle.IGNORE, fickle.RESET, fickle.CLOSE])
def test_a_server_that_serves_one_connection_and_no_other_is_enough(archive: Archive, fate: str) -> None:
    with fickle.start(archive.site.port, fickle.SERVE, *[fate] * 20) as relay:
        (archive.here / "out").write_bytes(b"123")
        access = archive.access(baseUrl=f"http://127.0.0.1:{relay.port}")
        result = archive.call("send-file", access, archive.here / "out")
    assert (result.code, result.stderr) == (0, "")
    assert archive.site.tree(SCAN, "R") == {"x": b"123"}
    assert archive.site.open_sessions() == 0
    assert result.seconds < 5


@pytest.mark.parametrize("silent", [False, True])
def test_of_several_addresses_the_first_may_be_dead(monkeypatch: pytest.MonkeyPatch, silent: bool) -> None:
    with socket.create_server(("127.0.0.2", 0), backlog=0) as dead, contextlib.ExitStack() as stack:
        port = dead.getsockname()[1]
        stack.enter_context(socket.create_connection(dead.getsockname()))  # its queue is full with that
        if not silent:
            dead.close()
        alive = stack.enter_context(socket.create_server(("127.0.0.1", port)))
        monkeypatch.setattr(early, "_pending", [])
        found = [
            (socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port))
            for address in ("127.0.0.2", "127.0.0.1")
        ]
        monkeypatch.setattr(early._socket, "getaddrinfo", lambda *_: found)
        monkeypatch.setattr(os, "environ", {})
        begun = time.monotonic()
        early.begin(f"http://two.example:{port}", 1)
        handle = pycurl.Curl()
        early.offer(handle)
        handle.setopt(pycurl.URL, f"http://two.example:{port}")
        handle.setopt(pycurl.RESOLVE, [f"two.example:{port}:127.0.0.2,127.0.0.1"])
        handle.setopt(pycurl.CONNECT_ONLY, 1)
        handle.setopt(pycurl.CONNECTTIMEOUT, 5)
        handle.perform()
        assert time.monotonic() - begun < 0.9
        assert handle.getinfo(pycurl.PRIMARY_IP) == "127.0.0.1"
        handle.close()
        alive.accept()[0].close()


def test_where_no_socket_can_be_made_libcurl_says_so_and_nothing_else_does(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    def none_left(*_: object) -> None:
        raise OSError(errno.EMFILE, "too many open files")

    monkeypatch.setattr(early, "_pending", [])
    monkeypatch.setattr(os, "environ", {})
    monkeypatch.setattr(early._socket, "socket", none_left)
    early.begin("http://127.0.0.1:9", 1)
    handle = pycurl.Curl()
    early.offer(handle)
    handle.setopt(pycurl.URL, "http://127.0.0.1:9")
    with pytest.raises(pycurl.error) as raised:
        handle.perform()
    handle.close()
    assert raised.value.args[0] == pycurl.E_COULDNT_CONNECT
    assert capfd.readouterr().err == ""


def test_an_end_that_was_given_up_before_it_was_wanted_has_not_begun(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(parting, "TIDY_SECONDS", 0.01)
    sent: list[bool] = []
    one = parting.Parting(lambda when: sent.append(when()))
    one.prepare()
    deadline = time.monotonic() + 5
    while not sent and time.monotonic() < deadline:
        time.sleep(0.005)
    one.now()
    assert (sent, one.begun) == ([False], False)


# --- what goes with a request ---


@pytest.fixture
def client(archive: Archive) -> Iterator[Client]:
    one = Client(Identity(home=archive.site.url), job(), verify=False)
    yield one
    one.close()


def test_something_else_is_begun_once_a_request_has_left_and_not_while_it_connects(client: Client) -> None:
    begun: list[bool] = []
    with socket.create_server(("127.0.0.1", 0)) as mute:
        where = f"127.0.0.1:{mute.getsockname()[1]}/"
        for scheme in ("https", "http"):  # where nobody answers, TLS never gets so far
            with pytest.raises(TemporaryFailure):
                client.request("GET", f"{scheme}://{where}", last=0.2, meanwhile=lambda: begun.append(True))
            assert len(begun) == (scheme == "http")


def test_each_request_has_its_own_condition(archive: Archive, client: Client) -> None:
    asked: list[int] = []
    for number in range(3):
        client.request(
            "GET", archive.site.url, follow=False, when=lambda number=number: asked.append(number) or True
        )
    client.request("GET", archive.site.url, follow=False)
    assert asked == [0, 1, 2]


def test_where_no_more_threads_can_be_started_it_goes_without(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(threading.Thread, "start", refuse)
    early.begin("http://127.0.0.1:9/", 2)
    assert not early._pending
    end = parting.Parting(lambda _: None)
    end.prepare()
    end.now()
    end.finish(time.monotonic() + 1)
    assert not end.begun
