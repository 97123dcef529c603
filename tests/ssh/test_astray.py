"""SFTP servers whose directories lead astray: nothing is made outside, and all comes to an end."""

import stat
from itertools import count

import pytest

from connectors.errors import Exit
from connectors.ssh.sftp import walk
from tests.servers.sftp_fault import (
    EOF,
    FAILURE,
    HANDLE,
    NO_SUCH_FILE,
    OK,
    OPENDIR,
    PERMISSION_DENIED,
    READDIR,
    REALPATH,
    UNSUPPORTED,
    Answers,
    Request,
    attributes,
    names,
    packet,
    status,
    string,
)
from tests.support.calls import FILE, FOLDER, SENSIBLE, WHOLE, Answer, Caller, to
from tests.support.far import snapshot


def showing(*found: tuple[bytes, int]) -> Answer:
    """READDIR: those names with their modes, once for each folder that is opened."""
    opened: set[bytes] = set()

    def answer(request: Request) -> Answers:
        if request.name in opened:
            return [status(request, EOF)]
        opened.add(request.name)
        return [names(request, [(name, attributes(9, mode)) for name, mode in found])]

    return to(READDIR, answer)


@pytest.mark.parametrize("mode", [FILE, FOLDER, stat.S_IFLNK | 0o777, 0])
@pytest.mark.parametrize(
    "name", [b"../up", b"/tmp/absolute", b"a/b", b"", b"nul\0x", b"..\0", b"x" * 300, b"./x", b"f0/../../x"]
)
def test_a_name_that_leads_outside_is_76_and_nothing_is_created(
    caller: Caller, name: bytes, mode: int
) -> None:
    caller.server.fault = showing((b"f0", FILE), (name, mode))
    assert caller.receive_dir() in SENSIBLE
    assert mode == stat.S_IFLNK | 0o777 or not caller.target.exists()


def test_dots_and_hidden_names_of_transfers_are_skipped(caller: Caller) -> None:
    entries = [b".", b"..", b".f0.red-part", b".f0.red-state", b"f0", b"f1", b"f2"]
    caller.server.fault = showing(*((name, FOLDER if name in (b".", b"..") else FILE) for name in entries))
    assert caller.receive_dir() == Exit.OK
    assert snapshot(caller.target) == WHOLE


def test_the_same_name_twice_is_one_file(caller: Caller) -> None:
    caller.server.fault = showing(*[(b"f0", FILE), (b"f1", FILE)] * 3)
    assert caller.receive_dir() == Exit.OK


def test_a_name_that_is_file_and_folder_does_not_crash(caller: Caller) -> None:
    caller.server.fault = showing((b"f0", FILE), (b"f0", FOLDER))
    assert caller.receive_dir() in SENSIBLE | {0}


def test_endlessly_nested_folders_are_76(caller: Caller) -> None:
    def open_any(request: Request) -> Answers:
        return [packet(HANDLE, request.number, string(b"%d" % request.count))]

    inside = showing((b"again" * 20, FOLDER))
    caller.server.fault = lambda request: open_any(request) if request.kind == OPENDIR else inside(request)
    assert caller.receive_dir() == Exit.PROTOCOL


def test_a_directory_that_repeats_itself_endlessly_is_76(caller: Caller) -> None:
    page = [(b"f%d" % number, attributes(9, FILE)) for number in range(3)]
    caller.server.fault = to(READDIR, lambda request: [names(request, page)])
    assert caller.receive_dir() == Exit.PROTOCOL


@pytest.mark.parametrize("mode", [FILE, FOLDER, stat.S_IFIFO | 0o644, stat.S_IFLNK | 0o777])
def test_an_endless_directory_with_new_names_is_given_up(
    caller: Caller, monkeypatch: pytest.MonkeyPatch, mode: int
) -> None:
    monkeypatch.setenv("RED_MAX_ENTRIES", "5000")
    monkeypatch.setattr(walk, "MOST_FAILURES", 5000)

    def page(request: Request) -> Answers:
        found = [(b"%d-%d" % (request.count, number), attributes(9, mode)) for number in range(1000)]
        return [names(request, found)]

    caller.server.fault = to(READDIR, page)
    assert caller.receive_dir() in SENSIBLE


def test_a_directory_that_lists_only_itself_endlessly_is_76(caller: Caller) -> None:
    def page(request: Request) -> Answers:
        return [names(request, [(b".", attributes(0, FOLDER, request.count))])]

    caller.server.fault = to(READDIR, page)
    assert caller.receive_dir() == Exit.PROTOCOL


def test_a_directory_that_ends_with_no_names_has_ended(caller: Caller) -> None:
    seen = count()

    def page(request: Request) -> Answers:
        found = [(name, attributes(9, FILE)) for name in WHOLE] if next(seen) == 0 else []
        return [names(request, found)]

    caller.server.fault = to(READDIR, page)
    assert caller.receive_dir() == Exit.OK
    assert snapshot(caller.target) == WHOLE


def test_an_answer_without_names_in_the_middle_is_not_the_end(caller: Caller) -> None:
    seen = count()
    pages = [list(WHOLE)[:1], [], list(WHOLE)[1:]]

    def page(request: Request) -> Answers:
        number = next(seen)
        if number >= len(pages):
            return [status(request, EOF)]
        return [names(request, [(name, attributes(9, FILE)) for name in pages[number]])]

    caller.server.fault = to(READDIR, page)
    assert caller.receive_dir() == Exit.OK
    assert snapshot(caller.target) == WHOLE


@pytest.mark.parametrize("code", [FAILURE, PERMISSION_DENIED, NO_SUCH_FILE, UNSUPPORTED, OK])
@pytest.mark.parametrize("after", [0, 1])
def test_a_listing_that_breaks_off_is_a_failure(caller: Caller, code: int, after: int) -> None:
    """Whether or not it has shown something before."""
    caller.server.fault = to(READDIR, lambda request: [status(request, code)], after=after)
    assert caller.receive_dir() in SENSIBLE
    assert not caller.target.exists()


def test_entries_without_attributes_are_stated_or_reported(caller: Caller) -> None:
    """Modes may come when asked for; a name that leads nowhere is an error."""
    shown = [*WHOLE, b"nowhere"]

    def listing() -> Answer:
        first = to(READDIR, lambda request: [names(request, [(name, bytes(4)) for name in shown])], times=1)
        return to(READDIR, lambda request: first(request) or [status(request, EOF)])

    caller.server.fault = listing()
    assert caller.receive_dir() == Exit.NOINPUT
    assert "nowhere: a link that leads nowhere" in caller.said
    shown.remove(b"nowhere")
    caller.server.fault = listing()
    assert caller.receive_dir() == Exit.OK
    assert snapshot(caller.target) == WHOLE


@pytest.mark.parametrize("real", [b"", b"/", b"..", b"relative", b"/data/d\0", b"\xff", b"/" * 5000])
def test_an_invalid_realpath_response_does_no_harm(caller: Caller, real: bytes) -> None:
    caller.server.fault = to(REALPATH, lambda request: [names(request, [(real, attributes(0, FOLDER))])])
    assert caller.receive_dir() in SENSIBLE | {0}


def test_wrong_sizes_in_a_listing_are_a_failure(caller: Caller) -> None:
    for size in (0, 8, 10, 1 << 40, (1 << 64) - 1):
        opened: set[bytes] = set()

        def page(request: Request, size: int = size, opened: set[bytes] = opened) -> Answers:
            if request.name in opened:
                return [status(request, EOF)]
            opened.add(request.name)
            return [names(request, [(name, attributes(size, FILE)) for name in WHOLE])]

        caller.server.fault = to(READDIR, page)
        code = caller.receive_dir()
        assert code in SENSIBLE or snapshot(caller.target) == WHOLE
