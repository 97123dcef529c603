"""A server whose find and tar lie: they may be quicker than SFTP, they are trusted no further."""

import struct
import threading
import time
from collections.abc import Iterable, Iterator
from itertools import chain, repeat
from queue import SimpleQueue
from typing import Any

import pytest

from connectors.errors import Exit
from connectors.ssh.login.ssh_session import Session
from connectors.ssh.sftp import conversation, walk, wire
from connectors.ssh.shell import proof, tar_format
from connectors.ssh.shell import scripts as shell_
from connectors.ssh.transport.fast_packets import ORDINARY_WINDOW
from tests.conformance.promises import wait_until
from tests.servers import sftp_fault
from tests.servers.sftp_fault import OLD, Answers, Request
from tests.servers.sshd import Sshd
from tests.support.calls import FILE, SENSIBLE, WHOLE, Caller, to
from tests.support.far import snapshot
from tests.support.sessions import at, job, opened

FILES = {b"f%03d" % number: b"content %d" % number for number in range(600)}
ROOT = b"d 755 0 %d.0 1000 \0" % OLD
BLOCK = 512


def found(name: bytes, content: bytes = b"", kind: bytes = b"f") -> bytes:
    """What find says of a file."""
    return b"%b %b %d %d.0 1000 %b\0" % (kind, b"644" if kind == b"f" else b"755", len(content), OLD, name)


def packed(name: bytes, content: bytes, kind: bytes = b"0") -> bytes:
    """What tar makes of it."""
    member = b"".join(tar_format.member(name, 0o644, content))
    return member[:156] + kind + member[157:]


def status(code: int) -> bytes:
    """The block behind an archive that tells how tar has ended."""
    return b"\0" + (b"red %d" % code).ljust(BLOCK - 1)


RIGHT_FIND = [ROOT, *(found(name, content) for name, content in FILES.items())]
MEMBERS = [packed(name, content) for name, content in FILES.items()]
RIGHT_TAR = [*MEMBERS, tar_format.END, status(0)]


@pytest.fixture
def large(caller: Caller) -> Caller:
    """With a folder of files so many that find and tar are asked."""
    caller.server.files = {b"/data/d/" + name: bytearray(content) for name, content in FILES.items()}
    return caller


def shell(
    caller: Caller, find: Iterable[bytes] = RIGHT_FIND, archive: Iterable[bytes] = RIGHT_TAR
) -> list[str]:
    """Let the server have one that prints this; what has been asked of it."""
    asked: list[str] = []

    def command(script: bytes, said: bytes) -> Iterable[bytes]:
        asked.append("find" if b"exec find" in script else "tar")
        return find if asked[-1] == "find" else archive

    caller.server.command = command
    caller.server.files[b"/proc/self/mountinfo"] = bytearray(b"25 1 8:1 / / rw - ext4 /dev/sda1 rw\n")
    return asked


def received(caller: Caller) -> int:
    """The exit code; what is there afterwards is right, and nothing is beside it."""
    code = caller.call("receive-dir", {"dirPath": "/data/d"}, caller.target)
    there = snapshot(caller.folder)
    assert there.keys() <= {b"access.json", b"target", *(b"target/" + name for name in FILES)}
    assert snapshot(caller.target).items() <= FILES.items() if caller.target.exists() else code
    return code


def test_a_large_tree_comes_by_find_and_tar(large: Caller) -> None:
    asked = shell(large)
    assert received(large) == Exit.OK
    assert snapshot(large.target) == FILES
    assert asked == ["find", "tar"]
    assert large.server.kinds().count(wire.READ) < 10  # for proof


HOSTILE_FIND: dict[str, list[bytes]] = {
    "nothing": [],
    "a greeting": [b"Welcome!\n", *RIGHT_FIND],
    "a farewell": [*RIGHT_FIND, b"Bye!\n"],
    "no root": RIGHT_FIND[1:],
    "another folder": [ROOT.replace(b"1000", b"7"), *RIGHT_FIND[1:]],
    "half a line": [*RIGHT_FIND, b"f 644 "],
    "up": [*RIGHT_FIND, found(b"../up", b"x")],
    "a folder above": [*RIGHT_FIND, found(b"..", kind=b"d"), found(b"../up", b"x")],
    "an absolute name": [*RIGHT_FIND, found(b"/tmp/x", b"x")],
    "in no folder": [*RIGHT_FIND, found(b"nowhere/x", kind=b"d")],
    "a link in no folder": [*RIGHT_FIND, found(b"nowhere/x", kind=b"l")],
    "no name": [*RIGHT_FIND, found(b"", b"x")],
    "a mode of letters": [ROOT, b"f rwx 5 1.0 0 x\0"],
    "a size below nothing": [ROOT, b"f 644 -5 1.0 0 f000\0", *RIGHT_FIND[1:]],
    "a size beyond all": [ROOT, b"f 644 99999999999999999999999 1.0 0 f000\0", *RIGHT_FIND[2:]],
    "a device": [*RIGHT_FIND, found(b"zero", kind=b"c")],
}


@pytest.mark.parametrize("what", HOSTILE_FIND)
def test_the_output_of_find_is_verified(large: Caller, what: str) -> None:
    asked = shell(large, find=HOSTILE_FIND[what])
    assert received(large) in SENSIBLE | {Exit.OK}
    assert asked[0] == "find"


HOSTILE_TAR: dict[str, list[bytes]] = {
    "nothing": [],
    "a greeting": [b"Welcome!\n", *RIGHT_TAR],
    "no end": MEMBERS,
    "no status": RIGHT_TAR[:-1],
    "a file that became shorter": [packed(b"f000", bytes(9)), *MEMBERS[1:], tar_format.END, status(1)],
    "a status that is none": [*MEMBERS, tar_format.END, b"\0red of anger".ljust(BLOCK)],
    "a status before the end": [MEMBERS[0], status(0), packed(b"f001", bytes(9)), status(2)],
    "many statuses": [*MEMBERS, tar_format.END, *20 * [status(0)]],
    "half of it": [b"".join(RIGHT_TAR)[:100_000]],
    "other files": [packed(b"other", b"x"), *RIGHT_TAR],
    "up": [packed(b"../up", b"x"), packed(b"/tmp/x", b"x"), *RIGHT_TAR],
    "a link": [packed(b"f000", b"", b"2"), *RIGHT_TAR[1:]],
    "a folder": [packed(b"f000", b"", b"5"), *RIGHT_TAR[1:]],
    "files twice": [*MEMBERS, *RIGHT_TAR],
    "files of another size": [packed(b"f000", b"a different size"), *RIGHT_TAR[1:]],
    "a size below nothing": [packed(b"f000", b"x")[:124] + b"-0000001000" + packed(b"f000", b"x")[135:]],
    "a size beyond all": [packed(b"f000", b"x")[:124] + b"77777777777" + packed(b"f000", b"x")[135:]],
    "a size of letters": [packed(b"f000", b"x")[:124] + b"no number!!" + packed(b"f000", b"x")[135:]],
    "a name without end": [b"x" * 124 + b"00000000001" + b"0" * 377, *RIGHT_TAR],
    "noise": [struct.pack(">Q", number * 0x9E3779B97F4A7C15 & (1 << 64) - 1) for number in range(9000)],
}


@pytest.mark.parametrize("what", HOSTILE_TAR)
def test_the_output_of_tar_is_verified(large: Caller, what: str) -> None:
    asked = shell(large, archive=HOSTILE_TAR[what])
    assert received(large) == Exit.OK
    assert snapshot(large.target) == FILES
    assert "tar" in asked


def without_end(piece: bytes) -> Iterator[bytes]:
    return repeat(piece)


@pytest.mark.parametrize("piece", [b"x" * 65536, found(b"x") * 2000], ids=["a line", "names"])
def test_an_endless_find_is_given_up(large: Caller, piece: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shell_, "MOST_NAMES", 20_000)
    shell(large, find=chain([ROOT], without_end(piece)))
    assert received(large) in SENSIBLE | {Exit.OK}


def test_an_endless_tar_of_one_file_is_given_up(large: Caller) -> None:
    endless = packed(b"f000", b"x")[:124] + b"37777777777" + packed(b"f000", b"x")[135:BLOCK]
    shell(large, archive=chain([endless], without_end(bytes(65536))))
    assert received(large) == Exit.OK
    assert snapshot(large.target) == FILES


def test_an_endless_tar_of_many_files_is_given_up(large: Caller) -> None:
    shell(large, archive=without_end(MEMBERS[0]))
    assert received(large) == Exit.OK
    assert snapshot(large.target) == FILES


@pytest.mark.parametrize("what", ["find", "tar"])
def test_bytes_beyond_the_window_are_discarded(
    large: Caller, what: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    all_is_sent = threading.Event()

    def flood() -> Iterator[bytes]:
        yield from repeat(bytes(30_000), 2000)
        all_is_sent.set()

    asked = shell(large, find=flood()) if what == "find" else shell(large, archive=flood())
    kept: list[int] = []

    class Patient(SimpleQueue[bytes]):
        """Of the flood nothing is handed on before all has been sent: so long the window stays as it is."""

        def put(self, item: bytes, block: bool = True, timeout: float | None = None) -> None:
            if asked[-1] == what:
                kept.append(len(item))
            super().put(item)

        def get(self, block: bool = True, timeout: float | None = None) -> bytes:
            data = super().get(timeout=timeout)
            if asked[-1] == what:
                assert all_is_sent.wait(60)
            return data

    monkeypatch.setattr(shell_, "SimpleQueue", Patient)
    large.server.heedless = True
    assert received(large) == Exit.OK
    assert snapshot(large.target) == FILES
    assert ORDINARY_WINDOW - 30_000 < sum(kept) <= ORDINARY_WINDOW  # of 57 MiB


@pytest.mark.parametrize("what", ["find", "tar"])
def test_a_command_that_falls_silent_is_given_up(large: Caller, what: str) -> None:
    def stuck() -> Iterator[bytes]:
        yield ROOT if what == "find" else RIGHT_TAR[0]
        time.sleep(4)

    shell(large, find=stuck()) if what == "find" else shell(large, archive=stuck())
    assert received(large) == Exit.OK
    assert snapshot(large.target) == FILES


def test_a_command_that_does_not_start_leaves_no_channel_open(
    sshd: Sshd, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(command: object, script: str) -> None:
        raise OSError("no")

    monkeypatch.setattr(shell_._Command, "_start", fail)
    with opened(at(sshd)) as session:
        talk = conversation.start(session, job())
        before = channels(session)
        with pytest.raises(proof.Unusable):
            shell_.find(session, talk, b"/", {})
        wait_until(lambda: channels(session) == before, "the channel is closed", 5)


@pytest.mark.parametrize("size", [0, 5])
def test_tar_is_not_used_if_sizes_are_wrong(
    caller: Caller, monkeypatch: pytest.MonkeyPatch, size: int
) -> None:
    """tar reads as many bytes as are stated. No size means that none is stated, as in /proc."""
    monkeypatch.setattr(shell_, "MANY", 2)
    monkeypatch.setattr(walk, "FEW", 2)
    cut = {name: content[:size] for name, content in WHOLE.items()}
    asked = shell(
        caller,
        find=[ROOT, *(found(name, content) for name, content in cut.items())],
        archive=[*(packed(name, content) for name, content in cut.items()), tar_format.END, status(0)],
    )

    def stated(request: Request) -> Answers:
        if request.kind == wire.READDIR:
            return listing(request) or [sftp_fault.status(request, wire.EOF)]
        is_file = request.kind == wire.FSTAT or (request.kind == wire.STAT and request.name != b"/data/d")
        here = sftp_fault.attributes(size, FILE)
        return [sftp_fault.packet(wire.ATTRS, request.number, here)] if is_file else None

    entries = [(name, sftp_fault.attributes(size, FILE)) for name in WHOLE]
    listing = to(wire.READDIR, lambda request: [sftp_fault.names(request, entries)], times=1)
    caller.server.fault = stated
    code = caller.receive_dir()
    assert code == (Exit.OK if size == 0 else Exit.PROTOCOL), caller.said
    assert snapshot(caller.target) == (WHOLE if size == 0 else {})
    assert "find" in asked


def test_stderr_of_a_command_is_not_kept(sshd: Sshd) -> None:
    with opened(at(sshd)) as session:
        channel = session.channel()
        channel.exec_command("head -c 100000 /dev/zero >&2; echo done")
        assert channel.makefile("rb").read() == b"done\n"
        assert len(channel.in_stderr_buffer) == 0


def channels(session: Session) -> int:
    transport: Any = session.transport
    return len(transport._channels.values())
