"""SFTP servers that close, stall, lie, and do what is odd but right."""

import posixpath
import struct
import threading
import time
from collections.abc import Iterator
from itertools import count

import pytest

from connectors.errors import Exit
from tests.servers.sftp_fault import (
    ATTRS,
    CLOSE,
    CONNECTION_LOST,
    DATA,
    EOF,
    EXTENDED,
    EXTENDED_REPLY,
    FAILURE,
    FSTAT,
    INIT,
    MKDIR,
    NO_SUCH_FILE,
    OK,
    OLD,
    OPEN,
    OPENDIR,
    PERMISSION_DENIED,
    READ,
    READDIR,
    REALPATH,
    RENAME,
    STAT,
    UNSUPPORTED,
    WRITE,
    Answers,
    HangUp,
    Request,
    SftpFault,
    attributes,
    data,
    names,
    packet,
    status,
    string,
)
from tests.support.calls import BODY, FILE, WHOLE, Answer, Caller, fall_silent, hang_up, to
from tests.support.far import build, snapshot

# --- closes, stalls ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("number", range(7))
def test_a_server_that_closes_at_any_request_is_75(caller: Caller, number: int) -> None:
    caller.server.fault = lambda request: hang_up(request) if request.count == number else None
    assert caller.receive() == (Exit.TEMPFAIL if number < len(caller.server.asked) else Exit.OK)
    before = len(caller.server.asked)
    caller.server.fault = lambda request: hang_up(request) if request.count == before + number else None
    assert caller.send() in (Exit.TEMPFAIL, Exit.OK)


def test_a_server_that_never_answers_the_request_for_sftp_is_75_in_time(caller: Caller) -> None:
    answer = threading.Event()
    caller.server.before_sftp = lambda: answer.wait(10)
    assert caller.receive() == Exit.TEMPFAIL
    assert "SFTP did not start within 0.5 s" in caller.said
    answer.set()


@pytest.mark.parametrize("times", range(3))
def test_a_connection_lost_during_the_request_for_sftp_is_reopened(caller: Caller, times: int) -> None:
    asked = count()

    def lose() -> None:
        assert caller.server.transport
        if next(asked) < times:
            caller.server.transport.close()

    caller.server.before_sftp = lose
    assert caller.receive(retries=1) == (Exit.OK if times < 2 else Exit.TEMPFAIL)


@pytest.mark.parametrize("kind", [INIT, STAT, OPEN, READ, FSTAT])
def test_a_server_that_falls_silent_while_a_file_is_received_is_75_in_time(caller: Caller, kind: int) -> None:
    caller.server.fault = to(kind, fall_silent)
    assert caller.receive() == Exit.TEMPFAIL
    assert "0.5 s" in caller.said


@pytest.mark.parametrize("kind", [STAT, OPEN, WRITE, FSTAT, CLOSE, EXTENDED])
def test_a_server_that_falls_silent_while_a_file_is_sent_is_75_in_time(caller: Caller, kind: int) -> None:
    caller.server.fault = to(kind, fall_silent)
    code = caller.call("send-file", {"filePath": "/data/new"}, build(caller.folder, {b"s": BODY}) / "s")
    assert code == Exit.TEMPFAIL
    assert b"/data/new" not in caller.server.files


@pytest.mark.parametrize("kind", [REALPATH, OPENDIR, READDIR, OPEN, READ, CLOSE])
def test_a_server_that_falls_silent_while_a_directory_is_received_is_75_in_time(
    caller: Caller, kind: int
) -> None:
    caller.server.fault = to(kind, fall_silent)
    assert caller.receive_dir() in (Exit.TEMPFAIL, Exit.OK if kind == CLOSE else Exit.TEMPFAIL)


@pytest.mark.parametrize("kind", [STAT, OPEN, READ, FSTAT])
def test_a_connection_lost_once_is_reopened(caller: Caller, kind: int) -> None:
    caller.server.fault = to(kind, hang_up, times=1)
    assert caller.receive(retries=1) == Exit.OK


def test_a_download_resumes_where_the_connection_was_lost(caller: Caller) -> None:
    caller.server.files[b"/data/file"] = bytearray(BODY * 4)
    caller.server.fault = to(READ, hang_up, after=100, times=1)
    assert caller.receive(retries=1) == Exit.OK
    offsets = [
        struct.unpack_from(">Q", request.rest)[0] for request in caller.server.asked if request.kind == READ
    ]
    assert min(offsets[100 + offsets.count(0) :][-100:]) > 0
    assert offsets.count(0) == 1


def test_a_slow_server_is_waited_for(caller: Caller) -> None:
    """Longer than RED_TIMEOUT in all, but never without a byte for so long."""
    slow: Answer = lambda request: time.sleep(0.2)  # noqa: E731
    caller.server.fault = to(READ, slow)
    caller.server.files[b"/data/file"] = bytearray(BODY[: 5 * 32768])
    assert caller.receive() == Exit.OK


def trickling(server: SftpFault, pause: float) -> Answer:
    """The right answer, byte by byte."""

    def trickle(request: Request) -> Iterator[bytes]:
        for byte in server.right(request):
            time.sleep(pause)
            yield bytes([byte])

    return trickle


@pytest.mark.parametrize("kind", [STAT, OPEN, FSTAT])
def test_a_response_that_trickles_is_75_in_time(caller: Caller, kind: int) -> None:
    caller.server.fault = to(kind, trickling(caller.server, 0.2))
    assert caller.receive() == Exit.TEMPFAIL
    assert "silent for 0.5 s" in caller.said


def test_an_introduction_that_trickles_is_75_in_time(caller: Caller) -> None:
    def introduce(request: Request) -> Iterator[bytes]:
        for byte in struct.pack(">IBI", 5, 2, 3) + string(b"x" * 100) + string(b"1"):
            time.sleep(0.2)
            yield bytes([byte])

    caller.server.fault = to(INIT, introduce)
    assert caller.receive() == Exit.TEMPFAIL


def test_content_that_trickles_is_waited_for(caller: Caller) -> None:
    """Each byte of it is progress."""
    caller.server.files[b"/data/file"] = bytearray(b"ten bytes!")
    caller.server.fault = to(READ, trickling(caller.server, 0.05), times=1)
    assert caller.receive() == Exit.OK


# --- answers that are lost ------------------------------------------------------------------------------


def done_and_lost(server: SftpFault) -> Answer:
    """The server does what it is asked for, and the connection is lost before it can say so."""

    def lose(request: Request) -> Answers:
        server.right(request)
        raise HangUp

    return lose


@pytest.mark.parametrize("extensions", [{}, {b"posix-rename@openssh.com": b"1"}])
@pytest.mark.parametrize("kind", [OPEN, WRITE, CLOSE, MKDIR, RENAME, EXTENDED])
def test_a_send_succeeds_though_the_response_to_a_request_was_lost(
    caller: Caller, kind: int, extensions: dict[bytes, bytes]
) -> None:
    """To a file that is new, one that replaces another, and a directory; nothing hidden stays."""
    caller.server.extensions = extensions
    for old in (None, b"old"):
        for send in (caller.send, caller.send_dir):
            for name in (b"/data/new", b"/data/to/f0"):
                caller.server.files.pop(name, None)
                if old:
                    caller.server.files[name] = bytearray(old)
            caller.server.folders -= {b"/data/to"} if not old else set()
            caller.server.fault = to(kind, done_and_lost(caller.server), times=1)
            assert send(retries=2) == Exit.OK, (kind, old, caller.said)
            left = [name for name in caller.server.files if b"red-part" in name]
            assert not left, (kind, old, left)


@pytest.mark.parametrize("after", range(4))
def test_a_stepwise_replacement_succeeds_though_a_response_was_lost(caller: Caller, after: int) -> None:
    caller.server.extensions = {}
    caller.server.files[b"/data/new"] = bytearray(b"old")
    caller.server.fault = to(RENAME, done_and_lost(caller.server), after=after, times=1)
    assert caller.send(retries=2) == Exit.OK
    assert not [name for name in caller.server.files if b"red-part" in name]


# --- odd, but right ---------------------------------------------------------------------------------------


def test_answers_in_any_order_are_put_in_order(caller: Caller) -> None:
    late: list[bytes] = []

    def shuffled(request: Request) -> Answers:
        late.append(caller.server.right(request))
        if len(late) < 8 and struct.unpack_from(">Q", request.rest)[0] < len(BODY) - 32768:
            return []
        answers = list(reversed(late))
        late.clear()
        return answers

    caller.server.fault = to(READ, shuffled)
    assert caller.receive() == Exit.OK


@pytest.mark.parametrize("most", [1, 1000, 32767])
def test_short_reads_are_asked_for_again(caller: Caller, most: int) -> None:
    def short(request: Request) -> Answers:
        offset, length = struct.unpack_from(">QI", request.rest)
        return [data(request, bytes(caller.server.files[b"/data/file"][offset : offset + min(length, most)]))]

    caller.server.files[b"/data/file"] = bytearray(BODY[: most * 40])
    caller.server.fault = to(READ, short)
    assert caller.receive() == Exit.OK


def test_a_server_that_knows_version_3_alone_moves_files_both_ways(caller: Caller) -> None:
    caller.server.extensions = {}
    assert caller.receive() == Exit.OK
    assert caller.receive_dir() in (Exit.CANTCREAT,)  # the file is there
    caller.target.unlink()
    assert caller.receive_dir() == Exit.OK
    for _ in range(2):  # the second time there is something to replace
        assert caller.send() == Exit.OK
        assert caller.send_dir() == Exit.OK
    assert RENAME in [request.kind for request in caller.server.asked]
    assert not [name for name in caller.server.files if b"red-part" in name]


@pytest.mark.parametrize("limit", [0, 1, 100, 1 << 18, 1 << 31, 1 << 63, (1 << 64) - 1])
def test_limits_that_make_no_sense_do_no_harm(caller: Caller, limit: int) -> None:
    caller.server.extensions[b"limits@openssh.com"] = b"1"

    def limits(request: Request) -> Answers:
        asked = request.name == b"limits@openssh.com"
        return [packet(EXTENDED_REPLY, request.number, struct.pack(">4Q", *[limit] * 4))] if asked else None

    caller.server.fault = to(EXTENDED, limits)
    assert caller.receive() == Exit.OK
    assert caller.send(BODY) == Exit.OK


@pytest.mark.parametrize("answer", [UNSUPPORTED, FAILURE, EOF])
def test_limits_that_are_promised_and_refused_do_no_harm(caller: Caller, answer: int) -> None:
    caller.server.extensions[b"limits@openssh.com"] = b"1"
    caller.server.fault = to(
        EXTENDED, lambda request: [status(request, answer)] if b"limits" in request.name else None
    )
    assert caller.receive() == Exit.OK


def test_extensions_that_nobody_knows_do_no_harm(caller: Caller) -> None:
    caller.server.extensions |= {b"\xff\0": b"\xff" * 1000, b"": b"", b"x" * 10_000: b"y"}
    assert caller.receive() == Exit.OK


@pytest.mark.parametrize("version", [0, 1, 2, 4, 6, 0xFFFFFFFF])
def test_another_version_of_sftp_is_76_or_works(caller: Caller, version: int) -> None:
    caller.server.version = struct.pack(">I", version)
    assert caller.receive() == (Exit.PROTOCOL if version < 3 else Exit.OK)


def test_an_introduction_that_ends_early_is_76(caller: Caller) -> None:
    for version in (b"", b"\0\0", b"\0\0\0\3\0", b"\0\0\0\3\0\0\0\x50x"):
        caller.server.version = version
        caller.server.extensions = {}
        assert caller.receive() == Exit.PROTOCOL, version


# --- lies -------------------------------------------------------------------------------------------------


def claiming(size: int, mode: int = FILE) -> Answer:
    return lambda request: [packet(ATTRS, request.number, attributes(size, mode))]


@pytest.mark.parametrize("size", [0, len(BODY) - 1, len(BODY) + 1, 1 << 40, (1 << 64) - 1])
def test_a_file_that_does_not_have_the_stated_size_is_a_failure(caller: Caller, size: int) -> None:
    caller.server.fault = to(STAT, claiming(size))
    assert caller.receive() in (Exit.TEMPFAIL, Exit.DATAERR, Exit.PROTOCOL)


@pytest.mark.parametrize("size", [0, len(BODY) - 1, len(BODY) + 1, 1 << 40, (1 << 64) - 1])
def test_a_wrong_length_stated_every_time_is_a_failure(caller: Caller, size: int) -> None:
    """But no size at all is none that is stated: such a file is read to its end."""
    caller.server.fault = lambda request: claiming(size)(request) if request.kind in (STAT, FSTAT) else None
    assert caller.receive() == {0: Exit.OK, len(BODY) - 1: Exit.PROTOCOL}.get(size, Exit.TEMPFAIL)


@pytest.mark.parametrize("size", [0, 1, 1000, 32767, 32768, 65535, 65536, 70_000])
def test_a_directory_of_files_longer_than_stated_is_a_failure(caller: Caller, size: int) -> None:
    """But of no size: then no size is stated, as in /proc."""
    whole = {b"f%03d" % number: BODY[number : number + 80_000] for number in range(3)}
    caller.server.files = {b"/data/d/" + name: bytearray(content) for name, content in whole.items()}

    def stated(request: Request) -> Answers:
        if request.kind == READDIR:
            return listing(request) or [status(request, EOF)]
        name = posixpath.basename(request.name)
        is_file = request.kind == FSTAT or (request.kind == STAT and name in whole)
        return claiming(size)(request) if is_file else None

    entries = [(name, attributes(size, FILE)) for name in whole]
    listing = to(READDIR, lambda request: [names(request, entries)], times=1)
    caller.server.fault = stated
    code = caller.call("receive-dir", {"dirPath": "/data/d"}, caller.target)
    assert code == (Exit.OK if size == 0 else Exit.PROTOCOL), caller.said
    assert snapshot(caller.target) == (whole if size == 0 else {})
    assert size == 0 or f"states {size} bytes, but the file has more" in caller.said


@pytest.mark.parametrize("most", [32768, 40_000])
def test_short_reads_are_not_the_end_of_the_file(caller: Caller, most: int) -> None:
    def short(request: Request) -> Answers:
        offset, length = struct.unpack_from(">QI", request.rest)
        content = bytes(caller.server.files[b"/data/d/f0"][offset : offset + min(length, most)])
        return [data(request, content) if content else status(request, EOF)]

    caller.server.files = {b"/data/d/" + name: bytearray(BODY[:most]) for name in WHOLE}
    caller.server.fault = to(READ, short)
    assert caller.call("receive-dir", {"dirPath": "/data/d"}, caller.target) == Exit.OK
    for name in WHOLE:
        caller.server.files[b"/data/d/" + name].extend(b"more")

    def stated(request: Request) -> Answers:
        if request.kind == READDIR:
            return listing(request) or [status(request, EOF)]
        is_file = request.kind == FSTAT or (request.kind == STAT and request.name != b"/data/d")
        here = [packet(ATTRS, request.number, attributes(most, FILE, OLD + 1))]
        return here if is_file else short(request) if request.kind == READ else None

    entries = [(name, attributes(most, FILE, OLD + 1)) for name in WHOLE]
    listing = to(READDIR, lambda request: [names(request, entries)], times=1)
    caller.server.fault = stated
    assert caller.call("receive-dir", {"dirPath": "/data/d"}, caller.target) == Exit.PROTOCOL
    assert "the file has more" in caller.said


def test_a_file_that_grows_while_it_is_received_has_changed(caller: Caller) -> None:
    def grow(request: Request) -> Answers:
        caller.server.files[b"/data/file"].extend(b"one more line\n")
        return None

    caller.server.fault = to(READ, grow)
    assert caller.call("receive-file", {"filePath": "/data/file"}, caller.target) == Exit.TEMPFAIL
    assert "changed while it was received" in caller.said
    assert not caller.target.exists()


@pytest.mark.parametrize("answer", [EOF, FAILURE, UNSUPPORTED, b""])
def test_every_way_to_signal_the_end_of_a_file_is_understood(caller: Caller, answer: int | bytes) -> None:
    def end(request: Request) -> Answers:
        (offset,) = struct.unpack_from(">Q", request.rest)
        if offset < len(BODY):
            return None
        return [status(request, answer) if isinstance(answer, int) else data(request, answer)]

    caller.server.fault = to(READ, end)
    assert caller.receive() == Exit.OK


@pytest.mark.parametrize("extra", [1, 1000, 500_000])
def test_more_bytes_than_requested_are_76(caller: Caller, extra: int) -> None:
    def too_much(request: Request) -> Answers:
        _, length = struct.unpack_from(">QI", request.rest)
        return [data(request, bytes(length + extra))]

    caller.server.fault = to(READ, too_much)
    assert caller.receive() == Exit.PROTOCOL
    assert caller.receive_dir() == Exit.PROTOCOL


def test_an_empty_block_is_76_and_not_requested_endlessly(caller: Caller) -> None:
    caller.server.fault = to(READ, lambda request: [data(request, b"")])
    assert caller.receive() == Exit.PROTOCOL
    assert caller.receive_dir() == Exit.PROTOCOL


def test_a_block_whose_length_does_not_match_its_data_is_76(caller: Caller) -> None:
    def lying(request: Request) -> Answers:
        _, length = struct.unpack_from(">QI", request.rest)
        return [packet(DATA, request.number, struct.pack(">I", length - 7) + bytes(length))]

    caller.server.fault = to(READ, lying)
    assert caller.receive() == Exit.PROTOCOL
    assert caller.receive_dir() == Exit.PROTOCOL


def test_a_file_that_changes_while_it_is_received_is_a_failure(caller: Caller) -> None:
    def changed(request: Request) -> Answers:
        return [packet(ATTRS, request.number, attributes(len(BODY), FILE, OLD + 7))]

    caller.server.fault = to(FSTAT, changed)
    assert caller.receive() == Exit.TEMPFAIL
    assert "changed" in caller.said


@pytest.mark.parametrize("size", [0, 1, len(BODY) - 1])
def test_a_file_that_shrinks_while_it_is_received_is_a_failure(caller: Caller, size: int) -> None:
    def cut(request: Request) -> Answers:
        del caller.server.files[b"/data/file"][size:]
        return None

    caller.server.fault = to(READ, cut, after=1)
    assert caller.call("receive-file", {"filePath": "/data/file"}, caller.target) == Exit.TEMPFAIL
    assert not caller.target.exists()


def test_a_server_that_swallows_bytes_is_noticed(caller: Caller) -> None:
    caller.server.fault = to(WRITE, lambda request: [status(request, OK)], after=1)
    assert caller.send() == Exit.TEMPFAIL
    assert b"bytes arrived" in caller.said.encode()
    for name in [name for name in caller.server.files if b"red-part" in name]:
        raise AssertionError(name)
    caller.server.fault = to(WRITE, lambda request: [status(request, OK)])
    assert caller.send_dir() == Exit.TEMPFAIL
    assert not [name for name in caller.server.files if b"/to/" in name]


@pytest.mark.parametrize(
    ("answer", "code"),
    [
        (PERMISSION_DENIED, Exit.NOPERM),
        (NO_SUCH_FILE, Exit.NOINPUT),
        (FAILURE, Exit.TEMPFAIL),
        (CONNECTION_LOST, Exit.TEMPFAIL),
        (UNSUPPORTED, Exit.PROTOCOL),
        (4711, Exit.TEMPFAIL),
    ],
)
def test_every_refusal_of_a_file_has_its_code(caller: Caller, answer: int, code: Exit) -> None:
    for kind in (STAT, OPEN, READ):
        caller.server.fault = to(kind, lambda request: [status(request, answer)])
        assert caller.receive() == code, kind
    for kind in (OPEN, WRITE, CLOSE, EXTENDED):
        caller.server.fault = to(kind, lambda request: [status(request, answer)])
        gone = (kind, answer) == (EXTENDED, NO_SUCH_FILE)  # another sender has tidied up: tried again
        assert caller.send() in (Exit.TEMPFAIL if gone else code, Exit.CANTCREAT), kind
    assert not [name for name in caller.server.files if b"red-part" in name]


def test_server_text_cannot_send_terminal_escapes(caller: Caller) -> None:
    text = b"\x1b[31mred\x07\r\nred-connector-ssh: error: all is well\n"
    caller.server.fault = to(OPEN, lambda request: [status(request, FAILURE, text)])
    assert caller.receive() == Exit.TEMPFAIL
    assert not set(caller.said) & set("\x1b\x07\r")
    assert (
        len([line for line in caller.said.splitlines() if line.startswith("red-connector-ssh: error")]) == 1
    )
