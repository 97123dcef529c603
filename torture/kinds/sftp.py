"""An SFTP server that returns anything, to any request, at any time."""

import os
import stat
import struct
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from connectors.errors import Exit
from connectors.model import Verb
from tests.conformance.promises import Access
from tests.conformance.promises import Case as Scene
from tests.servers import PASSWORD, sftp_fault
from tests.servers.sftp_fault import (
    Answers,
    HangUp,
    Request,
    SftpFault,
    Silence,
    attributes,
    packet,
    status,
    string,
)
from torture import leaks
from torture.case import Case, kind
from torture.trial import LATER, MOVING_VERBS, SENSIBLE, Trial

GROUP = "SFTP servers that answer wrongly"
FILE_MODE, FOLDER_MODE = stat.S_IFREG | 0o644, stat.S_IFDIR | 0o755
KINDS = {
    name: getattr(sftp_fault, name)
    for name in (
        "INIT",
        "OPEN",
        "CLOSE",
        "READ",
        "WRITE",
        "LSTAT",
        "FSTAT",
        "FSETSTAT",
        "OPENDIR",
        "READDIR",
        "REMOVE",
        "MKDIR",
        "REALPATH",
        "STAT",
        "RENAME",
        "EXTENDED",
    )
}


class SftpScene(Scene):
    """red-connector-ssh with it."""

    executable = "red-connector-ssh"

    def __init__(self, server: SftpFault, folder: str) -> None:
        self.server, self.port = server, server.port
        self.root = os.fsencode(f"/data/{folder}")
        server.folders.add(self.root)

    def access(self, verb: Verb, path: str, port: int = 0, host: str = "") -> Access:
        key = "dirPath" if verb.of_directory else "filePath"
        return self.server.access(**{key: f"{os.fsdecode(self.root)}/{path}"})

    def place(self, path: str, content: bytes) -> None:
        self.make_dir(os.path.dirname(path))
        self.server.files[self.root + b"/" + os.fsencode(path)] = bytearray(content)

    def make_dir(self, path: str) -> None:
        while path:
            self.server.folders.add(self.root + b"/" + os.fsencode(path))
            path = os.path.dirname(path)

    def tree(self, path: str) -> dict[str, bytes]:
        below = self.root + b"/"
        files = dict(self.server.files)
        return {
            os.fsdecode(name[len(below) :]): bytes(data)
            for name, data in files.items()
            if name.startswith(below)
        }

    def refusals(self, path: str) -> int:
        return 0


@contextmanager
def scene(case: Case) -> Iterator[SftpScene]:
    with sftp_fault.start(case.place.servers["host key"]) as server:
        if case.chance(0.3):
            server.extensions = {}
        yield SftpScene(server, case.name)


Way = Callable[[Case, SftpFault, Request], Answers]


def _status(case: Case, server: SftpFault, request: Request) -> Answers:
    code = case.random.randint(1, 40)
    return [status(request, code)]


def _ok(case: Case, server: SftpFault, request: Request) -> Answers:
    return [status(request, 0)]


def _hang_up(case: Case, server: SftpFault, request: Request) -> Answers:
    raise HangUp


def _silence(case: Case, server: SftpFault, request: Request) -> Answers:
    raise Silence


def _wrong_number(case: Case, server: SftpFault, request: Request) -> Answers:
    right = server.right(request)
    return [right[:5] + struct.pack(">I", request.number + case.pick((1, -1, 1000)) & 0xFFFFFFFF) + right[9:]]


def _half(case: Case, server: SftpFault, request: Request) -> Iterator[bytes]:
    right = server.right(request)
    yield right[: case.random.randrange(len(right))]
    raise HangUp


def _twice(case: Case, server: SftpFault, request: Request) -> Answers:
    right = server.right(request)
    return [right, right]


def _garbage(case: Case, server: SftpFault, request: Request) -> Answers:
    kind_ = case.pick((0, 1, 101, 102, 103, 104, 105, 201, 255))
    return [packet(kind_, request.number, case.random.randbytes(case.pick((0, 1, 4, 30, 1000))))]


def _huge(case: Case, server: SftpFault, request: Request) -> Answers:
    return [struct.pack(">IBI", case.pick((0, 1, 4, 0x7FFFFFFF, 0xFFFFFFFF)), 103, request.number)]


def _less(case: Case, server: SftpFault, request: Request) -> Answers:
    """Correct and allowed: a short read."""
    right = server.right(request)
    if right[4] != sftp_fault.DATA or len(right) < 20:
        return None
    content = right[13:]
    return [sftp_fault.data(request, content[: case.random.randint(1, len(content))])]


def _more(case: Case, server: SftpFault, request: Request) -> Answers:
    right = server.right(request)
    return None if right[4] != sftp_fault.DATA else [sftp_fault.data(request, right[13:] + b"more than that")]


def _nothing(case: Case, server: SftpFault, request: Request) -> Answers:
    return None if request.kind != sftp_fault.READ else [sftp_fault.data(request, b"")]


def _early_end(case: Case, server: SftpFault, request: Request) -> Answers:
    return None if request.kind != sftp_fault.READ else [status(request, sftp_fault.EOF)]


def _other_size(case: Case, server: SftpFault, request: Request) -> Answers:
    right = server.right(request)
    if right[4] != sftp_fault.ATTRS:
        return None
    (size,) = struct.unpack_from(">Q", right, 13)
    size = max(0, case.pick((size - 1, size + 1, size // 2, 0, size + 100_000, 1 << 62)))
    (mode,) = struct.unpack_from(">I", right, 29)
    return [packet(sftp_fault.ATTRS, request.number, attributes(size, mode))]


def _other_kind(case: Case, server: SftpFault, request: Request) -> Answers:
    if server.right(request)[4] != sftp_fault.ATTRS:
        return None
    mode = case.pick(
        (FOLDER_MODE, stat.S_IFIFO | 0o644, stat.S_IFLNK | 0o777, stat.S_IFSOCK, 0o644, FILE_MODE)
    )
    return [packet(sftp_fault.ATTRS, request.number, attributes(5, mode))]


def _no_attributes(case: Case, server: SftpFault, request: Request) -> Answers:
    if server.right(request)[4] != sftp_fault.ATTRS:
        return None
    return [packet(sftp_fault.ATTRS, request.number, struct.pack(">I", 0))]


def _echo(case: Case, server: SftpFault, request: Request) -> Answers:
    name, form = case.pick(sorted(leaks.forms(PASSWORD).items()))
    case.note(name)
    return [status(request, case.pick((2, 3, 4, 8)), f"because of {form}".encode())]


NAMES = (
    b"..",
    b".",
    b"a/b",
    b"/etc/passwd",
    b"",
    b"nul\0x",
    b"x" * 300,
    b".x.red-part",
    b"\xff\xfe",
    b"new\nline",
    b"../d/a",
)


def _odd_names(case: Case, server: SftpFault, request: Request) -> Answers:
    if request.kind != sftp_fault.READDIR or server.right(request)[4] != sftp_fault.NAME:
        return None
    name = case.pick(NAMES)
    return [_with(server.right(request), request, name, attributes(5, case.pick((FILE_MODE, FOLDER_MODE))))]


def _with(right: bytes, request: Request, name: bytes, attrs: bytes) -> bytes:
    (count,) = struct.unpack_from(">I", right, 9)
    body = struct.pack(">I", count + 1) + right[13:] + string(name) + string(b"long") + attrs
    return packet(sftp_fault.NAME, request.number, body)


def _ghost(case: Case, server: SftpFault, request: Request) -> Answers:
    if request.kind != sftp_fault.READDIR or server.right(request)[4] != sftp_fault.NAME:
        return None
    return [_with(server.right(request), request, b"ghost", attributes(5, FILE_MODE))]


def _count(case: Case, server: SftpFault, request: Request) -> Answers:
    right = server.right(request)
    if right[4] != sftp_fault.NAME:
        return None
    return [right[:9] + struct.pack(">I", case.pick((0, 5000, 0xFFFFFFFF))) + right[13:]]


WAYS: dict[str, tuple[Way, frozenset[int]]] = {
    "a status, instead of the right answer": (_status, SENSIBLE),
    "that it was done, and it was not": (_ok, SENSIBLE),
    "nothing, and hangs up": (_hang_up, LATER | {Exit.PROTOCOL, Exit.NOPERM}),
    "nothing, and waits": (_silence, LATER),
    "to another request": (_wrong_number, SENSIBLE),
    "by half an answer": (_half, LATER | {Exit.PROTOCOL, Exit.NOPERM}),
    "twice": (_twice, SENSIBLE),
    "with garbage": (_garbage, SENSIBLE),
    "with a packet of any length": (_huge, SENSIBLE),
    "with less than was asked for": (_less, frozenset()),
    "with more than was asked for": (_more, SENSIBLE),
    "with no bytes": (_nothing, SENSIBLE),
    "that the file ends early": (_early_end, SENSIBLE),
    "with a wrong size": (_other_size, SENSIBLE),
    "with a wrong kind of file": (_other_kind, SENSIBLE),
    "with no attributes": (_no_attributes, SENSIBLE),
    "with the password, in any encoding": (_echo, SENSIBLE),
    "with dangerous names": (_odd_names, SENSIBLE),
    "with a file that is not there": (_ghost, SENSIBLE),
    "with a wrong number of names": (_count, SENSIBLE),
}
TO = {
    _odd_names: ["READDIR"],
    _ghost: ["READDIR"],
    _count: ["READDIR", "REALPATH"],
    _less: ["READ"],
    _more: ["READ"],
    _nothing: ["READ"],
    _early_end: ["READ"],
    _other_size: ["STAT", "LSTAT", "FSTAT"],
    _other_kind: ["STAT", "LSTAT", "FSTAT"],
    _no_attributes: ["STAT", "LSTAT", "FSTAT"],
}
ANY = sorted(set(KINDS) - {"REMOVE"})
TO |= dict.fromkeys(
    (_hang_up, _silence, _half), sorted(KINDS)
)  # if REMOVE is refused, something must be left
"""The affected requests, if not all. One of them is drawn, and which occurrence."""


def _register(name: str, way: Way, codes: frozenset[int]) -> None:
    @kind(GROUP, name, weight=3, needs=["host key"])
    def try_it(case: Case) -> None:
        with scene(case) as one:
            verb = case.pick(MOVING_VERBS)
            trial = Trial(case, one, verb, checking=case.chance(0.1))
            chosen = [case.pick(TO.get(way, ANY))]
            if way in TO and 1 < len(TO[way]) < 9 and case.chance(0.7):
                chosen = TO[way]  # whichever of them it asks
            after, times = case.pick((0, 0, 0, 1, 2, 5)), case.pick((1, 1, 1 << 30))
            case.note(f"{name}: {', '.join(chosen)} after {after}, {'for ever' if times > 1 else 'once'}")
            seen = struck = 0

            def fault(request: Request) -> Answers:
                nonlocal seen, struck
                if request.kind not in [KINDS[one] for one in chosen]:
                    return None
                seen += 1
                if not after < seen <= after + times:
                    return None
                struck += 1
                return way(case, one.server, request)

            one.server.fault = fault
            slow = way is not _less
            env = {
                "RED_TIMEOUT": "1.0" if slow else "10",
                "RED_RETRIES": str(case.pick((0, 0, 1))),
                "RED_PARALLEL": str(case.pick((1, 8))),
            }
            outcome = trial.run(env=env)
            case.note(f"{struck} times")
            trial.fault(outcome, codes | LATER, struck=struck)
            one.server.fault = lambda request: None
            if outcome.code:
                trial.clean()


for _name, (_way, _codes) in WAYS.items():
    _register(_name, _way, _codes)
