"""red-connector-http: a file that is sent under a temporary name first, and servers that refuse that."""

from pathlib import Path

import pytest

from tests.servers.fault import FaultServer, Reply
from tests.servers.nginx import Nginx
from tests.support.program import run
from tests.support.uploads import BODY, HTTP, send


@pytest.mark.parametrize("server", ["nginx", "apache"])
def test_a_webdav_server_gets_a_temporary_name_first_and_none_is_left(
    request: pytest.FixtureRequest, fresh: str, source: Path, server: str
) -> None:
    web = request.getfixturevalue("web" if server == "nginx" else "httpd")
    web.folder(web.root / fresh)
    for _ in range(2):
        result = send({"url": f"{web.dav}/{fresh}/x", "method": "PUT"}, source)
        assert result.code == 0, result.stderr
        assert [one.name for one in (web.root / fresh).iterdir() if one.name != ".DAV"] == ["x"]
    seen = [(one.method, one.path) for one in web.requests(f"/{fresh}")]
    assert ("PUT", f"/{fresh}/x") not in seen
    assert "MOVE" in [method for method, _ in seen]


@pytest.mark.parametrize(
    ("status", "code"),
    [
        *((status, 0) for status in (207, 300, 400, 403, 404, 405, 409, 412, 415, 422, 500, 501, 502)),
        *((status, 75) for status in (408, 423, 425, 429, 503, 504, 507)),
        (401, 77),
        (413, 73),
    ],
)
def test_a_temporary_name_is_removed_when_the_rename_fails(
    faulty: FaultServer, source: Path, status: int, code: int
) -> None:
    """Where renaming is refused the file gets its name directly; where it fails, nothing is left."""
    faulty.on("/d/x", Reply(headers={"DAV": "1"}), method="OPTIONS")
    hidden = next_hidden_name(faulty, source)
    faulty.on(hidden, Reply(status=status), method="MOVE")
    result = send({"url": f"{faulty.url}/d/x", "method": "PUT"}, source, retries=0)
    assert result.code == code, result.stderr
    assert faulty.stored == ({} if code else {"/d/x": BODY})


@pytest.mark.parametrize(
    ("status", "code"),
    [
        *((status, 0) for status in (400, 403, 404, 405, 409, 415, 422, 451)),
        *((status, 75) for status in (408, 423, 425, 429, 500, 503, 507)),
        (401, 77),
        (413, 73),
        (501, 0),
    ],
)
def test_a_server_that_refuses_the_temporary_name_gets_the_file_under_its_own(
    faulty: FaultServer, source: Path, status: int, code: int
) -> None:
    faulty.on("/d/x", Reply(headers={"DAV": "1"}), method="OPTIONS")
    hidden = next_hidden_name(faulty, source)
    faulty.on(hidden, Reply(status=status), method="PUT")
    result = send({"url": f"{faulty.url}/d/x", "method": "PUT"}, source, retries=0)
    assert result.code == code, result.stderr
    assert faulty.stored == ({} if code else {"/d/x": BODY})
    assert ("under its own name" in result.stderr) is (code == 0)


@pytest.mark.parametrize(("method", "status"), [("PUT", 500), ("PUT", 502), ("MOVE", 504), ("MOVE", 599)])
def test_a_temporary_name_that_keeps_failing_is_not_used(
    faulty: FaultServer, source: Path, method: str, status: int
) -> None:
    faulty.on("/d/x", Reply(headers={"DAV": "1"}), method="OPTIONS")
    faulty.on(next_hidden_name(faulty, source), Reply(status=status), method=method)
    result = send({"url": f"{faulty.url}/d/x", "method": "PUT"}, source, retries=1)
    assert result.code == 0, result.stderr
    assert faulty.stored == {"/d/x": BODY}


def test_a_rename_that_is_never_answered_is_not_used(faulty: FaultServer, source: Path) -> None:
    faulty.on("/d/x", Reply(headers={"DAV": "1"}), method="OPTIONS")
    faulty.on(next_hidden_name(faulty, source), Reply(raw=b""), method="MOVE")
    result = send({"url": f"{faulty.url}/d/x", "method": "PUT"}, source, retries=1)
    assert result.code == 0, result.stderr
    assert faulty.stored == {"/d/x": BODY}


@pytest.mark.parametrize("status", [200, 201, 202])
def test_a_rename_falsely_reported_as_done_leaves_no_temporary_name(
    faulty: FaultServer, source: Path, status: int
) -> None:
    faulty.on("/d/x", Reply(headers={"DAV": "1"}), method="OPTIONS")
    faulty.on(next_hidden_name(faulty, source), Reply(status=status), method="MOVE")
    result = send({"url": f"{faulty.url}/d/x", "method": "PUT"}, source, retries=0)
    assert result.code == 0, result.stderr
    assert faulty.stored == {"/d/x": BODY}


def test_a_rename_that_is_redirected_does_not_end_the_transfer(faulty: FaultServer, source: Path) -> None:
    faulty.on("/d/x", Reply(headers={"DAV": "1"}), method="OPTIONS")
    hidden = next_hidden_name(faulty, source)
    faulty.on(hidden, Reply(status=302, headers={"Location": "/log-in"}), method="MOVE")
    result = send({"url": f"{faulty.url}/d/x", "method": "PUT"}, source, retries=0)
    assert result.code == 0, result.stderr
    assert faulty.stored == {"/d/x": BODY}


def test_a_directory_is_sent_without_temporary_names_if_refused_with_one_warning(
    faulty: FaultServer, tmp_path: Path
) -> None:
    faulty.on("/d", Reply(headers={"DAV": "1"}), method="OPTIONS")
    (tmp_path / "d").mkdir()
    for number in range(20):
        (tmp_path / "d" / f"f{number}").write_bytes(b"%d" % number)
    result = run(HTTP, "send-dir", {"url": f"{faulty.url}/d"}, tmp_path / "d")  # it has no MOVE
    assert result.code == 0, result.stderr
    assert faulty.stored == {f"/d/f{number}": b"%d" % number for number in range(20)}
    assert result.stderr.count("under its own name") == 1


def next_hidden_name(server: FaultServer, source: Path) -> str:
    """The path that a send of ``source`` to /d/x goes to first, found out by doing it."""
    send({"url": f"{server.url}/d/x", "method": "PUT"}, source, retries=0)
    path = next(one.path for one in server.seen if one.method == "PUT")
    assert path != "/d/x"
    server.seen.clear()
    server.stored.clear()
    return path


def test_a_server_that_makes_parents_has_the_file_and_nothing_else(
    web: Nginx, fresh: str, source: Path
) -> None:
    result = send({"url": f"{web.put}/{fresh}/x", "method": "PUT"}, source)
    assert result.code == 0, result.stderr
    assert [one.name for one in (web.root / fresh).iterdir()] == ["x"]


# --- repeated only where that is safe -----------------------------------------------------------
