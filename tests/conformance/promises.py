"""The promises that every connector keeps.

A promise is a function over a Case: a connector with a running server that the test can inspect.
``@promise(VERB, …)`` says which verbs it needs; a connector must keep every promise whose verbs are in its
SCHEMAS. This module has those about the command line; files.py, directories.py, mounts.py and decorations.py
the others.
"""

import hashlib
import json
import random
import signal
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from connectors import registry
from connectors.model import RECEIVE_FILE, Verb
from tests.servers import PASSWORD, delay
from tests.support.program import Result, check, run, start

Access = dict[str, Any]
MIB = 1 << 20
NAMES = (
    "a b.txt", "#1?.csv", "100%.dat", "%41.txt", "it's \"so\".txt", "ünïcödé-日本.txt",
    "a;b&c=d+e,f.txt", "-rf", "~x", "{y}", "a..b",
)  # fmt: skip


class Case(ABC):
    """A connector and a server for it. Remote paths are relative, unquoted, with ``/`` between segments."""

    executable: str
    port: int
    """The server's port on 127.0.0.1; a relay can be put in front."""
    stores = True
    """Whether sending has an effect."""
    keeps_empty_folders = True
    """Whether folders can be empty."""
    sizes: tuple[int, ...] = (0, 1, 4096, 5 * MIB)
    """File sizes that the connector can move."""

    deepest = 1000
    """Directory levels that the server can handle within a test's time."""

    @abstractmethod
    def access(self, verb: Verb, path: str, port: int = 0, host: str = "") -> Access:
        """A document for ``path``, with another port or host if given."""

    @abstractmethod
    def place(self, path: str, content: bytes) -> None:
        """Create a remote file and its parents."""

    @abstractmethod
    def make_dir(self, path: str) -> None:
        """Create a remote directory and its parents."""

    @abstractmethod
    def tree(self, path: str) -> dict[str, bytes]:
        """All files below the remote directory ``path``; empty if it does not exist."""

    @abstractmethod
    def refusals(self, path: str) -> int:
        """How often credentials for ``path`` or below were refused."""

    def payload(self, size: int, seed: int = 0) -> bytes:
        """Content of exactly that size; another ``seed`` gives other content."""
        return random.Random(seed).randbytes(size)

    @property
    def verbs(self) -> set[Verb]:
        return set(registry.load(self.executable).SCHEMAS)

    def run(self, *arguments: object, **options: Any) -> Result:
        return run(self.executable, *arguments, **options)


class Promise(NamedTuple):
    """``keep`` raises AssertionError if the promise is broken; it gets an empty folder."""

    verbs: tuple[Verb, ...]
    keep: Callable[[Case, Path], None]


PROMISES: list[Promise] = []
AT_ONCE = {"RED_RETRIES": "0", "RED_TIMEOUT": "5"}


def promise(*verbs: Verb) -> Callable[[Callable[[Case, Path], None]], Callable[[Case, Path], None]]:
    """Every connector that has all of ``verbs`` must keep it."""

    def register(keep: Callable[[Case, Path], None]) -> Callable[[Case, Path], None]:
        PROMISES.append(Promise(verbs, keep))
        return keep

    return register


def sha1(content: bytes) -> str:
    return "sha1$" + hashlib.sha1(content, usedforsecurity=False).hexdigest()


def visible(folder: Path) -> list[str]:
    """The non-hidden names in a local folder."""
    return sorted(one.name for one in folder.iterdir() if not one.name.startswith("."))


def wait_until(met: Callable[[], bool], what: str, timeout: float = 20) -> None:
    """Wait until the condition is met; AssertionError that names ``what`` otherwise."""
    deadline = time.monotonic() + timeout
    while not met():
        assert time.monotonic() < deadline, f"waited in vain until {what}"
        time.sleep(0.005)


def bytes_in(folder: Path) -> int:
    """The total size of the files below a local folder, including hidden ones."""
    return sum(one.stat().st_size for one in folder.rglob("*") if one.is_file())


@contextmanager
def interrupted(
    executable: str,
    arguments: list[object],
    relay: delay.Relay,
    sign: int,
    code: int,
    into: Path | None = None,
    least: float = 0,
) -> Iterator[None]:
    """Start a transfer, send it ``sign`` while the relay holds it, and check that it exits with ``code``.
    First wait until it has written ``least`` bytes below ``into``.
    """
    handler = signal.signal(signal.SIGINT, signal.default_int_handler)  # a child inherits "ignored"
    process = start(executable, *arguments)
    try:
        relay.wait_until_held()
        wait_until(lambda: into is None or bytes_in(into) >= least, f"{least} bytes are written")
        process.send_signal(sign)
        out, err = process.communicate(timeout=10)
    finally:
        process.kill()
        signal.signal(signal.SIGINT, handler)
    assert process.returncode == code, err.decode()
    check(Result(process.returncode, out.decode(), err.decode(), 0), [])
    yield


@contextmanager
def meanwhile(
    executable: str,
    arguments: list[object],
    relay: delay.Relay,
    codes: Collection[int],
    into: Path | None = None,
    least: float = 0,
) -> Iterator[None]:
    """Run the block while the relay holds a transfer, which then continues and exits with one of ``codes``.
    First wait until it has written ``least`` bytes below ``into``.
    """
    process = start(executable, *arguments)
    try:
        relay.wait_until_held()
        wait_until(lambda: into is None or bytes_in(into) >= least, f"{least} bytes are written")
        yield
        relay.release()
        out, err = process.communicate(timeout=60)
    finally:
        process.kill()
    assert process.returncode in codes, (process.returncode, err.decode())
    check(Result(process.returncode, out.decode(), err.decode(), 0), [])


def wrong_password(access: Mapping[str, Any]) -> Access:
    """The same document with another password."""
    return {key: _wrong(value) for key, value in access.items()}


def _wrong(value: Any) -> Any:
    if isinstance(value, dict):
        return wrong_password(value)
    return "wrong" if value == PASSWORD else value


# --- the command line ---


@promise()
def cli_version_prints_one_line(case: Case, here: Path) -> None:
    result = case.run("cli-version")
    assert (result.code, result.stdout, result.stderr) == (0, "1\n", "")


@promise()
def help_and_version_go_to_stdout(case: Case, here: Path) -> None:
    for option in ("--help", "--version"):
        result = case.run(option)
        assert result.code == 0, option
        assert result.stdout.strip(), option


@promise()
def a_wrong_command_line_is_64(case: Case, here: Path) -> None:
    verb = min(case.verbs)
    for arguments in (
        [],
        ["no-such-verb"],
        [verb],
        [verb, "a", "b", "c", "d"],
        [verb, "--no-such-option", "a", "b"],
    ):
        assert case.run(*arguments).code == 64, arguments


@promise()
def a_verb_that_it_lacks_is_69_and_names_who_has_it(case: Case, here: Path) -> None:
    for verb in set(Verb) - case.verbs:
        result = case.run(verb, {}, here / "x")
        assert result.code == 69, verb
        for other in registry.offering(verb):
            assert other in result.stderr


@promise(RECEIVE_FILE)
def an_unknown_key_is_78_and_all_faults_come_at_once(case: Case, here: Path) -> None:
    access = case.access(RECEIVE_FILE, "x") | {"colour": "red", "_shape": PASSWORD}
    for verb in ("receive-file-validate", "receive-file"):
        result = case.run(verb, access, *([here / "x"] if verb == "receive-file" else []))
        assert result.code == 78
        assert "colour" in result.stderr
        assert "shape" in result.stderr
    assert visible(here) == []


@promise(RECEIVE_FILE)
def a_document_for_another_connector_is_78(case: Case, here: Path) -> None:
    document = {"command": "red-connector-other", "access": case.access(RECEIVE_FILE, "x")}
    assert case.run("receive-file-validate", document).code == 78


@promise(RECEIVE_FILE)
def a_missing_document_is_78_and_a_relative_one_is_found(case: Case, here: Path) -> None:
    assert case.run("receive-file-validate", here / "none.json").code in (66, 78)
    case.place("d/x", case.payload(9))
    (here / "in.json").write_text(json.dumps(case.access(RECEIVE_FILE, "d/x")))
    assert case.run("receive-file", "in.json", "out", cwd=here).code == 0
    assert (here / "out").read_bytes() == case.payload(9)


@promise(RECEIVE_FILE)
def all_three_shapes_of_a_document_are_taken_from_stdin(case: Case, here: Path) -> None:
    case.place("x", case.payload(9))
    access = case.access(RECEIVE_FILE, "x")
    full = {"command": case.executable, "access": access}
    for shape in (access, full, {"class": "File", "connector": full}):
        result = case.run("receive-file", "-", here / "x", stdin=json.dumps(shape))
        assert result.code == 0, result.stderr
        (here / "x").unlink()


@promise(RECEIVE_FILE)
def a_password_is_filled_in_from_a_secret_file(case: Case, here: Path) -> None:
    case.place("x", case.payload(9))
    document = json.dumps(case.access(RECEIVE_FILE, "x"), ensure_ascii=False)
    assert PASSWORD in document, "the case's access data must hold a password"
    secrets = here / "secrets"
    secrets.mkdir()
    (secrets / "pw").write_text(PASSWORD + "\n")
    document = document.replace(PASSWORD, "{{pw}}")
    with_file = case.run(
        "receive-file", "-", here / "x", stdin=document, env={"RED_SECRETS_DIR": str(secrets)}
    )
    assert with_file.code == 0, with_file.stderr
    with_variable = case.run("receive-file", "-", here / "y", stdin=document, env={"RED_VAR_pw": PASSWORD})
    assert with_variable.code == 0, with_variable.stderr
    assert case.run("receive-file", "-", here / "z", stdin=document).code == 78
    assert visible(here) == ["secrets", "x", "y"]


@promise(RECEIVE_FILE)
def a_setting_that_makes_no_sense_is_78(case: Case, here: Path) -> None:
    for name, value in (
        ("RED_RETRIES", "-1"),
        ("RED_TIMEOUT", "soon"),
        ("RED_PARALLEL", "0"),
        ("RED_MAX_ENTRIES", "1e6"),
        ("RED_LOG", "loud"),
    ):
        result = case.run("receive-file-validate", case.access(RECEIVE_FILE, "x"), env={name: value})
        assert result.code == 78
        assert name in result.stderr
