"""red-connector-http: a directory where a file was meant, and the other way round."""

from pathlib import Path
from typing import Any

import pytest

from tests.servers.fault import FaultServer, Reply
from tests.support.directory_pages import PAGES
from tests.support.program import run

HTTP = "red-connector-http"
AT_ONCE = {"RED_RETRIES": "0", "RED_TIMEOUT": "2"}
PAGE = {"Content-Type": "text/html; charset=utf-8"}
REPORT = b"<html><head><title>Index of Economic Freedom</title></head><body></body></html>"
TITLED = b"<html>\n<head><title>Index of /d/</title></head><body><a href='x'>x</a></body></html>"


def receive(url: str, target: Path, **env: str) -> Any:
    return run(HTTP, "receive-file", {"url": url}, target, env={**AT_ONCE, **env})


@pytest.mark.parametrize("server", ["nginx", "apache", "plain"])
def test_a_directory_that_is_received_as_a_file_is_66_with_a_hint(
    request: pytest.FixtureRequest, fresh: str, tmp_path: Path, server: str
) -> None:
    web = request.getfixturevalue({"nginx": "web", "apache": "httpd", "plain": "plain"}[server])
    web.place(f"{fresh}/d/x", b"x")
    base = web.url if server == "plain" else web.plain
    for slash in ("", "/"):
        result = receive(f"{base}/{fresh}/d{slash}", tmp_path / "file")
        assert result.code == 66, result.stderr
        assert "receive-dir" in result.stderr
        assert not (tmp_path / "file").exists()
        validated = run(HTTP, "receive-file-validate", {"url": f"{base}/{fresh}/d{slash}"}, env=AT_ONCE)
        assert validated.code == 66, validated.stderr


@pytest.mark.parametrize("server", ["nginx", "apache", "python", "jetty", "tomcat", "rclone-new"])
def test_a_page_with_the_title_of_a_listing_is_not_received_as_a_file(
    faulty: FaultServer, tmp_path: Path, server: str
) -> None:
    for headers in (PAGE, {}):
        url = faulty.on("/d", Reply(PAGES[server].encode(), headers=headers))
        assert receive(url, tmp_path / "x").code == 66
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("status", [301, 302, 307, 308])
@pytest.mark.parametrize(
    "reply", [Reply(b"<html>Welcome</html>", headers=PAGE), Reply(b"?", 403), Reply(b"", 404), Reply(b"any")]
)
def test_a_redirect_to_the_name_with_a_slash_leads_to_a_directory(
    faulty: FaultServer, tmp_path: Path, status: int, reply: Reply
) -> None:
    faulty.on("/d/", reply)
    url = faulty.on("/d", Reply(status=status, headers={"Location": "/d/"}))
    faulty.on("/e", Reply(status=status, headers={"Location": url}))
    assert receive(url, tmp_path / "x").code == 66
    assert run(HTTP, "receive-file-validate", {"url": url}, env=AT_ONCE).code == 66


def test_html_files_and_program_output_are_received(faulty: FaultServer, tmp_path: Path) -> None:
    faulty.on("/api/", Reply(b'{"a": 1}', headers={"Content-Type": "application/json"}))
    urls = [
        faulty.on("/d/index.html", Reply(TITLED, headers=PAGE)),
        faulty.on("/d/OLD.HTM", Reply(TITLED, headers=PAGE)),
        faulty.on("/search", Reply(TITLED, headers=PAGE)) + "?q=1",
        faulty.on("/report", Reply(REPORT, headers=PAGE)),
        faulty.on("/text", Reply(TITLED, headers={"Content-Type": "text/plain"})),
        faulty.on("/page/", Reply(b"<html><title>Welcome</title></html>", headers=PAGE)),
        faulty.on("/moved", Reply(status=302, headers={"Location": "/page/"})),
        faulty.on("/api", Reply(status=301, headers={"Location": "/api/"})),
    ]
    for number, url in enumerate(urls):
        result = receive(url, tmp_path / str(number))
        assert result.code == 0, (url, result.stderr)
        assert run(HTTP, "receive-file-validate", {"url": url}, env=AT_ONCE).code == 0


def test_the_page_of_a_folder_is_not_received_as_a_file_of_a_directory(
    faulty: FaultServer, tmp_path: Path
) -> None:
    """Some pages link folders without the final slash."""
    faulty.on("/d/", Reply(TITLED.replace(b"'x'", b"'sub'"), headers=PAGE))
    faulty.on("/d/sub", Reply(status=301, headers={"Location": "/d/sub/"}))
    faulty.on("/d/sub/", Reply(TITLED, headers=PAGE))
    result = run(HTTP, "receive-dir", {"url": f"{faulty.url}/d"}, tmp_path / "d", env=AT_ONCE)
    assert result.code == 66, result.stderr
    assert "/d/sub is a directory" in result.stderr


def test_a_file_that_is_received_as_a_directory_is_66(faulty: FaultServer, tmp_path: Path) -> None:
    faulty.on("/x", Reply(b"content"))
    faulty.on("/x/", Reply(status=308, headers={"Location": "/x"}))
    for verb, local in (("receive-dir", [tmp_path / "d"]), ("receive-dir-validate", [])):
        result = run(HTTP, verb, {"url": f"{faulty.url}/x"}, *local, env=AT_ONCE)
        assert result.code == 66, result.stderr
        assert "is a file" in result.stderr
