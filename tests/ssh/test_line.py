"""SSH over a line that is cut or goes dead in the middle, and a server that takes no more."""

import os
import signal
import time
from pathlib import Path

import pytest

from tests.conformance.promises import bytes_in, wait_until
from tests.servers import delay
from tests.servers.delay import Relay
from tests.servers.sshd import Sshd
from tests.support.far import SSH, Far, build, hidden, snapshot
from tests.support.program import Result, check, run, start

MIB = 1 << 20
BODY = os.urandom(MIB) * 16
HALF = 8 * MIB
AT_ONCE = {"RED_RETRIES": "0", "RED_TIMEOUT": "1"}


@pytest.fixture
def far(sftp_only: Sshd, fresh: str) -> Far:
    return Far(sftp_only, fresh)


def test_a_cut_download_resumes_where_it_ended(far: Far, relay: Relay, target: Path) -> None:
    far.place("file", BODY)
    relay.hold_after(HALF)
    process = start(SSH, "receive-file", far.file("file", relay.port), target)
    relay.wait_until_held()
    wait_until(lambda: bytes_in(target.parent) > HALF - 2 * MIB, "what came is written")
    far.server.hang_up()
    relay.release()
    _, said = process.communicate(timeout=20)
    assert process.returncode == 0, said
    assert target.read_bytes() == BODY
    assert relay.connections == 2
    assert relay.passed < len(BODY) - HALF + 3 * MIB  # and not all of it once more


def test_a_directory_that_is_cut_arrives_whole(far: Far, relay: Relay, tmp_path: Path) -> None:
    tree = {b"%03d" % number: BODY[number * 7000 : number * 7000 + 60_000] for number in range(100)}
    tree |= {b"large": BODY[: 3 * MIB]}
    for path, content in tree.items():
        far.place(path, content)
    relay.hold_after(3 * MIB)
    process = start(SSH, "receive-dir", far.directory("", relay.port), tmp_path / "x")
    relay.wait_until_held()
    far.server.hang_up()
    relay.release()
    _, said = process.communicate(timeout=20)
    assert process.returncode == 0, said
    assert relay.connections == 2
    assert snapshot(tmp_path / "x") == tree


def test_a_directory_whose_sending_is_cut_arrives_whole(far: Far, relay: Relay, tmp_path: Path) -> None:
    tree = {b"%03d" % number: BODY[number * 7000 : number * 7000 + 60_000] for number in range(100)}
    tree |= {b"large": BODY[: 3 * MIB]}
    build(tmp_path / "x", dict(tree))
    relay.hold_after(3 * MIB, upwards=True)
    process = start(SSH, "send-dir", far.directory("to", relay.port), tmp_path / "x")
    relay.wait_until_held()
    far.server.hang_up()
    relay.release()
    _, said = process.communicate(timeout=20)
    assert process.returncode == 0, said
    assert relay.connections == 2
    assert snapshot(far.root / "to") == tree


@pytest.mark.parametrize("verb", ["receive-dir", "send-dir"])
@pytest.mark.parametrize("kind", ["shell", "sftp only"])
def test_the_rest_after_a_cut_is_transferred_together_again(
    sshd: Sshd, sftp_only: Sshd, fresh: str, tmp_path: Path, verb: str, kind: str
) -> None:
    """Far away: one by one the rest would take a minute."""
    far = Far(sshd if kind == "shell" else sftp_only, fresh)
    tree = {b"d%d/%d" % (number % 3, number): BODY[number : number + 4096] for number in range(2000)}
    here = tmp_path / "x"
    if verb == "send-dir":
        build(here, dict(tree))
    else:
        for path, content in tree.items():
            far.place("to/" + path.decode(), content)
    with delay.start(far.server.port, 0.05) as relay:
        relay.hold_after(5 * MIB, upwards=verb == "send-dir")
        process = start(SSH, verb, far.directory("to", relay.port), here)
        relay.wait_until_held()
        far.server.hang_up()
        relay.release()
        begun = time.monotonic()
        _, said = process.communicate(timeout=60)
    assert process.returncode == 0, said
    assert b"continuing with the rest in " in said
    assert time.monotonic() - begun < 15
    assert snapshot(here) == snapshot(far.root / "to")
    assert {path: content for path, content in snapshot(here).items() if content is not None} == tree


@pytest.mark.parametrize(
    ("verb", "upwards"),
    [
        ("receive-file", False),
        ("receive-dir", False),
        ("send-file", False),
        ("send-file", True),
        ("send-dir", False),
        ("send-dir", True),
    ],
)
def test_a_line_that_goes_dead_is_75_within_the_time_limit(
    far: Far, relay: Relay, tmp_path: Path, verb: str, upwards: bool
) -> None:
    """With ``upwards``, the server hears us no more; without, we hear nothing of it."""
    tree = {b"d/%03d" % number: BODY[:60_000] for number in range(100)}
    sends, of_dir = verb.startswith("send"), verb.endswith("dir")
    if sends:
        build(tmp_path / "x", {**tree, b"file": BODY})
        access = far.directory("to", relay.port) if of_dir else far.file("to/file", relay.port)
        local = tmp_path / "x" if of_dir else tmp_path / "x" / "file"
    else:
        for path, content in {**tree, b"file": BODY}.items():
            far.place(path, content)
        access = far.directory("", relay.port) if of_dir else far.file("file", relay.port)
        local = tmp_path / "x"
    relay.hold_after(MIB if sends == upwards else 5000, upwards=upwards)
    result = run(SSH, verb, access, local, env=AT_ONCE)
    assert result.code == 75, result.stderr
    assert 0.9 < result.seconds < 5
    assert not (far.root / "to/file").exists()


@pytest.mark.parametrize("verb", ["receive-file", "send-file", "receive-dir"])
def test_the_documents_time_limit_applies_after_the_login_too(
    far: Far, relay: Relay, tmp_path: Path, verb: str
) -> None:
    for name in ("file", "d/file"):
        far.place(name, BODY)
    local = tmp_path / "x"
    if verb == "send-file":
        local.write_bytes(BODY)
    access = far.directory("d", relay.port) if verb == "receive-dir" else far.file("file", relay.port)
    relay.hold_after(3 * MIB, upwards=verb == "send-file")
    result = run(SSH, verb, access | {"timeout": 1}, local, env={"RED_RETRIES": "0", "RED_TIMEOUT": "8"})
    assert result.code == 75, result.stderr
    assert 0.9 < result.seconds < 4
    assert "1 s" in result.stderr


@pytest.mark.parametrize("sign", [signal.SIGTERM, signal.SIGINT])
@pytest.mark.parametrize("verb", ["send-file", "send-dir", "receive-file"])
def test_a_signal_ends_the_process_immediately_though_the_line_is_dead(
    far: Far, relay: Relay, tmp_path: Path, verb: str, sign: signal.Signals
) -> None:
    """A server that reads no more, so that even "remove this" cannot be said."""
    build(tmp_path / "x", {b"file": BODY, **{b"d/%03d" % number: BODY[:60_000] for number in range(100)}})
    far.place("file", BODY)
    access = {
        "send-file": far.file("to/file", relay.port),
        "send-dir": far.directory("to", relay.port),
        "receive-file": far.file("file", relay.port),
    }[verb]
    local = tmp_path / {"send-file": "x/file", "send-dir": "x", "receive-file": "y"}[verb]
    relay.hold_after(3 * MIB, upwards=verb != "receive-file")
    handler = signal.signal(signal.SIGINT, signal.default_int_handler)  # a child inherits "ignored"
    try:
        process = start(SSH, verb, access, local)
        relay.wait_until_held()
        time.sleep(0.3)  # by now all buffers on the way are full
        begun = time.monotonic()
        process.send_signal(sign)
        out, said = process.communicate(timeout=10)
        seconds = time.monotonic() - begun
    finally:
        process.kill()
        signal.signal(signal.SIGINT, handler)
    check(Result(process.returncode, out.decode(), said.decode(), seconds), [])
    assert process.returncode == 128 + sign, said
    assert seconds < 3
    assert not (far.root / "to/file").exists()


def test_a_server_that_is_stopped_while_we_send_is_75_within_the_time_limit(
    far: Far, relay: Relay, tmp_path: Path
) -> None:
    """It keeps its connection, and reads no more: all buffers fill, and a write blocks."""
    (tmp_path / "x").write_bytes(BODY * 4)
    far.place("to/file", b"old")
    relay.hold_after(4 * MIB, upwards=True)
    process = start(SSH, "send-file", far.file("to/file", relay.port), tmp_path / "x", env=AT_ONCE)
    relay.wait_until_held()
    far.server.send_signal(signal.SIGSTOP)
    relay.release()
    try:
        begun = time.monotonic()
        _, said = process.communicate(timeout=20)
        assert process.returncode == 75, said
        assert time.monotonic() - begun < 4
        assert (far.root / "to/file").read_bytes() == b"old"
    finally:
        process.kill()
        far.server.send_signal(signal.SIGCONT)
    wait_until(lambda: not far.server.conversations(), "the server has noticed")


def test_the_part_of_a_stalled_send_is_overwritten_by_the_next_attempt(
    far: Far, relay: Relay, tmp_path: Path
) -> None:
    (tmp_path / "x").write_bytes(BODY)
    relay.hold_after(4 * MIB, upwards=True)
    process = start(SSH, "send-file", far.file("to/file", relay.port), tmp_path / "x", env=AT_ONCE)
    process.communicate(timeout=20)
    assert process.returncode == 75
    assert len(hidden(far.root)) == 1
    assert far.send_file(tmp_path / "x", "to/file").code == 0
    assert snapshot(far.root / "to") == {b"file": BODY}


def test_a_slow_line_is_not_given_up(far: Far, tmp_path: Path) -> None:
    """All in all it takes longer than the time limit, but there is always something on its way."""
    tree = {b"%d/%d" % (number % 5, number): BODY[: number * 100] for number in range(200)}
    build(tmp_path / "x", dict(tree))
    with delay.start(far.server.port, 0.04) as relay:
        sent = far.send_dir(tmp_path / "x", "to", port=relay.port, **AT_ONCE)
        assert sent.code == 0, sent.stderr
        received = far.receive_dir("to", tmp_path / "y", port=relay.port, **AT_ONCE)
        assert received.code == 0, received.stderr
        assert snapshot(tmp_path / "y") == snapshot(tmp_path / "x")
        assert sent.seconds + received.seconds < 10  # one by one it would be 120
