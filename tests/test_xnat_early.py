"""XNAT from a distance: connections that are begun early, and a session that ends under the last answer."""

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from connectors.web import early
from tests import program
from tests.archive import SCAN, Archive
from tests.servers import authority, delay, xnat
from tests.servers.xnat import Fault, Xnat

DELAY = 0.03  # seconds each way


@pytest.fixture
def archive(xnat_site: Xnat, tmp_path: Path) -> Archive:
    xnat_site.make(SCAN)
    return Archive(xnat_site, tmp_path)


@pytest.fixture
def relay(xnat_site: Xnat) -> Iterator[delay.Relay]:
    with delay.start(xnat_site.port, DELAY, handshake=True) as running:
        yield running


def send(archive: Archive, relay: delay.Relay, body: bytes = b"123", **env: str) -> program.Result:
    (archive.here / "out").write_bytes(body)
    access = archive.access(baseUrl=f"http://127.0.0.1:{relay.port}")
    return archive.call("send-file", access, archive.here / "out", **env)


def test_the_session_ends_while_the_last_answer_is_under_way(archive: Archive, relay: delay.Relay) -> None:
    for _ in range(3):  # on a busy machine the two may change places; the next test says what happens then
        result = send(archive, relay)
        assert result.code == 0, result.stderr
        assert archive.site.tree(SCAN, "R") == {"x": b"123"}
        assert archive.site.open_sessions() == 0
        asked = archive.site.seen[:]
        archive.site.seen.clear()
        archive.site.resource(SCAN, "R").disk.clear()
        archive.site.resource(SCAN, "R").catalogue.clear()
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


@pytest.mark.parametrize("fault", [Fault(500), Fault(drop=0), Fault(401)])
def test_a_log_out_that_fails_is_tried_once_more_and_hides_no_result(
    archive: Archive, relay: delay.Relay, fault: Fault
) -> None:
    archive.site.fail("DELETE", "JSESSION", fault)
    result = send(archive, relay)
    assert result.code == 0, result.stderr
    assert archive.site.open_sessions() == 0


@pytest.mark.parametrize("fault", [Fault(500), Fault(drop=0), Fault(truncate=5)])
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

    def note(host: str, port: int) -> None:
        called.append((host, port))

    monkeypatch.setattr(early, "_Pending", note)
    monkeypatch.setattr(early, "_pending", [])
    for name in ("http_proxy", "HTTPS_PROXY", "all_proxy", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
    early.begin(url, 1)
    plain = {"http://h/": ("h", 80), "https://[::1]:8443/x": ("::1", 8443), "http://a.b-c:1": ("a.b-c", 1)}
    assert called == ([plain[str(url)]] if url in plain else [])
    monkeypatch.setenv("HTTPS_PROXY", "http://proxy:3128")
    early.begin(url, 1)
    assert len(called) <= 1
