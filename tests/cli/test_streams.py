"""stdout and stderr, signals and the environment: what surrounds a transfer never changes its outcome."""

import contextlib
import fcntl
import os
import signal
import struct
import subprocess
import sys
import termios
import time
from pathlib import Path

import pytest

from tests.conformance.promises import wait_until
from tests.servers.fault import FaultServer, Reply
from tests.support.program import CHECKOUT, command, environment, run, start

HTTP = "red-connector-http"
BUSY_ONCE = (Reply(b"", 503), Reply(b"hello"))  # so that there is something to say on stderr


def with_stderr(kind: str, *words: object, **env: str) -> int:
    """The exit code of the program when its stderr is of that ``kind``."""
    line = command(HTTP, *words)
    settings = environment(env)
    if kind == "full":
        with open("/dev/full", "wb") as full:
            return subprocess.run(line, env=settings, stderr=full, timeout=60).returncode
    if kind == "closed":
        script = ["sh", "-c", '"$@" 2>&-', "sh", *line]
        return subprocess.run(script, env=settings, timeout=60).returncode
    reader, writer = os.pipe()
    os.close(reader)
    try:
        return subprocess.run(line, env=settings, stderr=writer, timeout=60).returncode
    finally:
        os.close(writer)


@pytest.mark.slow
@pytest.mark.parametrize("log", ["text", "json"])
@pytest.mark.parametrize("progress", ["off", "log"])
@pytest.mark.parametrize("kind", ["full", "closed", "broken-pipe"])
def test_a_stderr_that_cannot_be_written_does_not_change_the_exit_code(
    faulty: FaultServer, target: Path, kind: str, progress: str, log: str
) -> None:
    env = {"RED_LOG": log, "RED_PROGRESS": progress, "RED_RETRIES": "1"}
    access = {"url": faulty.on("/x", *BUSY_ONCE)}
    assert with_stderr(kind, "receive-file", access, target, **env) == 0
    assert len(faulty.requests("/x")) == 2
    assert target.read_bytes() == b"hello"
    missing = {"url": f"{faulty.url}/missing"}
    assert with_stderr(kind, "receive-file", missing, target, **env) == 66
    assert with_stderr(kind, "receive-file", {"url": 5}, target, **env) == 78
    assert with_stderr(kind, "no-such-verb", **env) == 64


@pytest.mark.parametrize("words", [["list"], ["list", "--json"], ["--help"], ["cli-version"], ["--version"]])
def test_a_result_that_cannot_be_written_is_74(words: list[str]) -> None:
    line = [str(CHECKOUT / "bin" / "red-connectors"), *words]
    with open("/dev/full", "wb") as full:
        done = subprocess.run(line, env=environment(), stdout=full, stderr=subprocess.PIPE, timeout=60)
    assert done.returncode == 74, done.stderr
    assert b"Traceback" not in done.stderr
    assert b"Exception ignored" not in done.stderr
    assert done.stderr.strip()


@pytest.mark.parametrize("style", ["JSON", "Json", "json"])
def test_the_json_log_may_be_asked_for_in_any_letter_case(target: Path, style: str) -> None:
    env = {"RED_LOG": style, "RED_RETRIES": "0"}
    result = run(HTTP, "receive-file", {"url": "http://127.0.0.1:9/x"}, target, env=env)
    assert result.code == 75
    assert result.log[-1]["code"] == 75


def test_posixly_correct_does_not_change_where_options_may_stand(tmp_path: Path) -> None:
    access = {"url": "http://127.0.0.1:9/d"}
    (tmp_path / "l.json").write_text("[]")
    listing = tmp_path / "l.json"
    for words in (
        ["receive-dir-validate", access, "--offline"],
        ["receive-dir-validate", "--offline", access, "--listing", listing],
        ["--offline", "receive-dir-validate", access],
        ["receive-dir-validate", access, f"--listing={listing}", "--offline"],
    ):
        result = run(HTTP, *words, env={"POSIXLY_CORRECT": "1"})
        assert result.code == 0, (words, result.stderr)


@pytest.mark.parametrize("sign", [signal.SIGTERM, signal.SIGINT])
def test_a_second_signal_ends_the_process_immediately(
    faulty: FaultServer, tmp_path: Path, sign: signal.Signals
) -> None:
    """The first lets it tidy up (here a server that does not answer makes that long), the second does not."""
    (tmp_path / "source").write_bytes(b"hello")
    faulty.on("/d/x", Reply(headers={"DAV": "1"}), method="OPTIONS")
    access = {"url": f"{faulty.url}/d/x", "method": "PUT"}
    first = start(HTTP, "send-file", access, tmp_path / "source")
    first.communicate(timeout=20)
    hidden = next(one.path for one in faulty.seen if one.method == "PUT")
    faulty.on(hidden, Reply(stall=-1), method="PUT")
    faulty.on(hidden, Reply(stall=-1), method="DELETE")
    faulty.seen.clear()
    handler = signal.signal(signal.SIGINT, signal.default_int_handler)  # a child inherits "ignored"
    process = start(HTTP, "send-file", access, tmp_path / "source")
    try:
        wait_until(lambda: bool(faulty.requests(hidden, "PUT")), "it sends")
        process.send_signal(sign)
        wait_until(lambda: bool(faulty.requests(hidden, "DELETE")), "it tidies up")
        assert process.poll() is None
        began = time.monotonic()
        process.send_signal(sign)
        process.communicate(timeout=10)
        assert time.monotonic() - began < 0.7
    finally:
        process.kill()
        signal.signal(signal.SIGINT, handler)
    assert process.returncode == 128 + sign


def on_a_terminal(columns: int, term: str, *words: object) -> str:
    """What the program says on a terminal of that width and kind."""
    ours, theirs = os.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
    process = subprocess.Popen(command(HTTP, *words), env=environment({"TERM": term}), stderr=theirs)
    os.close(theirs)
    said = b""
    with contextlib.suppress(OSError):  # EIO is the end
        while data := os.read(ours, 4096):
            said += data
    os.close(ours)
    assert process.wait(20) == 0, said
    return said.decode()


@pytest.mark.parametrize(
    ("columns", "term", "bar"), [(80, "xterm", True), (0, "xterm", False), (80, "dumb", False)]
)
def test_a_terminal_without_a_width_or_cursor_gets_lines_instead_of_a_bar(
    faulty: FaultServer, target: Path, columns: int, term: str, bar: bool
) -> None:
    access = {"url": faulty.on("/x", Reply(b"hello"))}
    said = on_a_terminal(columns, term, "receive-file", access, target)
    assert ("\r5.00" in said or "100%" in said) is bar, said
    assert ("5 of 5 bytes in" in said) is not bar, said
    assert bar or "\r" not in said.replace("\r\n", ""), said


@pytest.mark.parametrize("moment", ["log.configure", "log.error"])
def test_a_signal_before_or_after_the_work_shows_no_traceback(moment: str) -> None:
    """Sent from a function that is called at the very beginning, or when the work has failed."""
    script = (
        "import os, signal, sys; from connectors import cli, log\n"
        f"{moment} = lambda *_: os.kill(os.getpid(), signal.SIGTERM)\n"
        "sys.exit(cli.main(['red-connector-http', 'no-such-verb']))"
    )
    ended = subprocess.run([sys.executable, "-c", script], cwd=CHECKOUT, capture_output=True, text=True)
    assert ended.returncode == 143, ended.stderr
    assert "terminated" in ended.stderr
    assert "Traceback" not in ended.stderr
