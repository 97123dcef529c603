"""What to try after a first call that went wrong: each hint where it helps."""

import errno
from pathlib import Path

import pytest

from connectors.errors import ConfigError
from connectors.http.transport import http_failures
from connectors.http.transport.reply import Reply
from connectors.local.files import cannot_create, cannot_read
from tests.servers import free_port
from tests.support.program import run

FRONT = "red-connectors"
HTTP = "red-connector-http"
ACCESS = "url: http://127.0.0.1:9/d/\nmethod: PUT\n"


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        ("receive-file data.csv in.yml", 78, "is not an access document"),
        ("receive-file data.csv in.yml", 78, "hint: the access document comes first"),
        ("receive-file - x", 78, "hint: docker run needs -i to read standard input"),
        ("receive-dir in.yml data.csv", 73, "data.csv exists and is not a directory"),
        ("send-dir in.yml data.csv", 66, "hint: use send-file"),
        ("send-file in.yml folder", 66, "hint: use send-dir"),
    ],
)
def test_a_mistaken_call_comes_with_what_to_try(tmp_path: Path, words: str, code: int, said: str) -> None:
    (tmp_path / "in.yml").write_text(ACCESS)
    (tmp_path / "data.csv").write_text("1,2\n")
    (tmp_path / "folder").mkdir()
    result = run(HTTP, *words.split(), cwd=tmp_path)
    assert result.code == code, result.stderr
    assert said in result.stderr


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("url: http://h/x\nusername: me\n", "username: put it under auth"),
        (
            "access: {url: 'http://h/x', username: me}",
            "put it under access.auth",
        ),
        ("url: example.com/x\n", "must begin with http:// or https:// and a host"),
        ("url: 1\nurk: 2\n", "2 errors"),
    ],
)
def test_an_error_in_a_document_comes_with_its_correction(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "in.yml").write_text(text)
    result = run(HTTP, "receive-file", "in.yml", "x", cwd=tmp_path)
    assert result.code == 78
    assert message in result.stderr


def test_a_denied_read_or_write_names_the_user_and_the_docker_option() -> None:
    refused = PermissionError(errno.EACCES, "Permission denied")
    for error in (cannot_create("out.csv", refused), cannot_read("in.csv", refused)):
        assert "--user" in error.hint


def test_an_unreadable_document_names_the_user_and_the_docker_option(monkeypatch: pytest.MonkeyPatch) -> None:
    from connectors.access import document

    def refuse(*_: object) -> None:
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr("builtins.open", refuse)
    with pytest.raises(ConfigError) as caught:
        document.read("in.yml")
    assert "--user" in caught.value.hint


def test_a_read_only_folder_comes_with_a_hint_about_the_mount() -> None:
    assert ":ro" in cannot_create("out.csv", OSError(errno.EROFS, "Read-only file system")).hint


def test_a_missing_directory_comes_with_a_hint_to_receive_a_file() -> None:
    assert "receive-file" in http_failures.of_reply(Reply(404, "", {}, "http://h/x/"), sending=False).hint
    assert "receive-file" not in http_failures.of_reply(Reply(404, "", {}, "http://h/x"), sending=False).hint


def test_a_closed_local_port_comes_with_a_hint_to_start_the_server(tmp_path: Path) -> None:
    (tmp_path / "in.yml").write_text(f"url: http://127.0.0.1:{free_port()}/x\n")
    result = run(HTTP, "receive-file", "in.yml", "x", cwd=tmp_path, env={"RED_RETRIES": "0"})
    assert result.code == 75
    assert "is the server running, and the port right?" in result.stderr
