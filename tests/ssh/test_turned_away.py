"""Accounts that a server turns away, after the log-in or before: 77 at once, in the server's words."""

import contextlib
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from connectors.errors import Exit
from tests.servers import PASSWORD, etc
from tests.servers import sshd as servers
from tests.servers.etc import GUEST, Etc
from tests.servers.sshd import Sshd
from tests.support import require
from tests.support.far import SSH
from tests.support.program import Result, run

BY_PAM = ("UsePAM yes",)
ASKING = ("UsePAM yes", "PasswordAuthentication no", "KbdInteractiveAuthentication yes")
ALONE = ("UsePAM no",)
EVERYWHERE = (BY_PAM, ASKING, ALONE)
NOLOGIN = "/usr/sbin/nologin"


def closed(place: Etc) -> None:
    place.guest()
    place.write("nologin", "Down until noon.\n")


WAYS: dict[str, tuple[Callable[[Etc], object], str]] = {
    "its password has expired": (lambda place: place.guest(changed="0"), "expired|change"),
    "it has expired": (lambda place: place.guest(expires="1"), "expired|refuses"),
    "it is locked": (lambda place: place.guest(locked=True), "refuses"),
    "it has no shell": (lambda place: place.guest(shell=NOLOGIN), "not available"),
    "its shell is false": (lambda place: place.guest(shell="/bin/false"), "exit status 1"),
    "its shell is missing": (lambda place: place.guest(shell="/nowhere/sh"), "refuses"),
    "nobody may log in": (closed, "Down until noon|refuses"),
}
"""What becomes of the account, and what is said then."""


@contextlib.contextmanager
def running(tmp_path: Path, change: Callable[[Etc], object], *options: str) -> Iterator[Sshd]:
    with contextlib.ExitStack() as stack:
        place = stack.enter_context(require.running("unshare", lambda: etc.copied(tmp_path / "etc")))
        change(place)
        start = lambda: servers.start(*options, within=place.within)  # noqa: E731
        yield stack.enter_context(require.running("sshd", start))


def call(verb: str, server: Sshd, *local: Path, with_key: bool = False) -> Result:
    secret = {"privateKey": server.key.read_text()} if with_key else {"password": PASSWORD}
    access: dict[str, Any] = {
        "host": server.host,
        "port": server.port,
        "hostKey": server.fingerprints["ed25519"],
        "auth": {"username": GUEST, **secret},
        "filePath": "/usr/lib/os-release",
    }
    return run(SSH, verb, access, *local, env={"RED_RETRIES": "2"})


@pytest.mark.parametrize("options", EVERYWHERE, ids=["PAM", "questions", "no PAM"])
@pytest.mark.parametrize("way", WAYS)
def test_a_rejected_account_is_77_without_retries_and_quotes_the_server(
    tmp_path: Path, way: str, options: tuple[str, ...]
) -> None:
    change, words = WAYS[way]
    if way == "its shell is missing" and options != ALONE:
        words += "|exit status"
    with running(tmp_path, change, *options) as server:
        for verb in ("receive-file", "receive-file-validate"):
            local = [tmp_path / "file"] if verb == "receive-file" else []
            result = call(verb, server, *local)
            assert result.code == Exit.NOPERM, result.stderr
            assert re.search(words, result.stderr), result.stderr
            assert "trying again" not in result.stderr
        assert server.refusals() + server.logins() <= 2


@pytest.mark.parametrize("way", ["its password has expired", "it has expired", "it has no shell"])
def test_an_account_rejected_after_a_key_login_is_77(tmp_path: Path, way: str) -> None:
    change, words = WAYS[way]
    with running(tmp_path, change, *BY_PAM) as server:
        result = call("receive-file", server, tmp_path / "file", with_key=True)
    assert result.code == Exit.NOPERM, result.stderr
    assert re.search(words, result.stderr), result.stderr


@pytest.mark.parametrize("options", EVERYWHERE, ids=["PAM", "questions", "no PAM"])
def test_an_intact_account_logs_in(tmp_path: Path, options: tuple[str, ...]) -> None:
    with running(tmp_path, lambda place: place.guest(), *options) as server:
        assert call("receive-file", server, tmp_path / "file").code == 0


@pytest.mark.parametrize(
    ("command", "code", "words"),
    [
        ("echo No access today >&2; exit 3", Exit.NOPERM, "No access today"),
        ("echo No access today; exit 0", Exit.NOPERM, "No access today"),
        ("exit 3", Exit.NOPERM, "exit status 3"),
        ("echo Welcome; exec $SSH_ORIGINAL_COMMAND", Exit.PROTOCOL, "something other than SFTP: 'Welcome'"),
        ("echo Welcome >&2; exec $SSH_ORIGINAL_COMMAND", Exit.OK, ""),
        ("kill -9 $$", Exit.TEMPFAIL, ""),
    ],
)
def test_the_output_of_a_command_in_place_of_sftp_is_quoted(
    tmp_path: Path, command: str, code: Exit, words: str
) -> None:
    with running(tmp_path, lambda place: place.guest(), "UsePAM no", f"ForceCommand {command}") as server:
        result = call("receive-file", server, tmp_path / "file")
    assert result.code == code, result.stderr
    assert words in result.stderr
