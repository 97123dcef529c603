"""SFTP servers that talk nonsense, at every point of the conversation."""

import random
import shutil
import struct
from collections.abc import Callable

import pytest

from tests.servers.sftp_fault import (
    ATTRS,
    CLOSE,
    DATA,
    EOF,
    EXTENDED,
    FAILURE,
    FSTAT,
    HANDLE,
    INIT,
    MKDIR,
    NAME,
    OK,
    OPEN,
    OPENDIR,
    READ,
    READDIR,
    REALPATH,
    STAT,
    STATUS,
    WRITE,
    Request,
    attributes,
    data,
    names,
    packet,
    status,
    string,
)
from tests.support.calls import FILE, SENSIBLE, Caller, to

NONSENSE: dict[str, Callable[[Request], list[bytes]]] = {
    "another number": lambda request: [packet(STATUS, request.number ^ 0x5555, bytes(12))],
    "no such type": lambda request: [packet(77, request.number, b"?")],
    "a request": lambda request: [packet(READ, request.number, b"?" * 20)],
    "a second introduction": lambda request: [struct.pack(">IBI", 5, 2, 3)],
    "garbage": lambda request: [random.Random(3).randbytes(4096)],
    "text": lambda request: [b"Welcome to our shop!\r\n"],
    "length 0": lambda request: [struct.pack(">I", 0)],
    "length 1": lambda request: [struct.pack(">IB", 1, STATUS)],
    "an endless length": lambda request: [struct.pack(">IBI", 0xFFFFFFFF, DATA, request.number)],
    "a huge length": lambda request: [struct.pack(">IBI", 1 << 28, DATA, request.number), bytes(1 << 20)],
    "an empty status": lambda request: [packet(STATUS, request.number)],
    "half a status": lambda request: [packet(STATUS, request.number, b"\0\0")],
    "a status whose text has no end": lambda request: [
        packet(STATUS, request.number, struct.pack(">II", 4, 1 << 30))
    ],
    "success": lambda request: [status(request, OK)],
    "the end": lambda request: [status(request, EOF)],
    "a status that nobody knows": lambda request: [status(request, 4711)],
    "a status of no number": lambda request: [status(request, 0xFFFFFFFF, b"\xff\0\x1b[31m")],
    "a name": lambda request: [names(request, [(b"x", attributes(1, FILE))])],
    "no names": lambda request: [names(request, [])],
    "endless names": lambda request: [packet(NAME, request.number, struct.pack(">I", 0xFFFFFFFF))],
    "attributes that end early": lambda request: [packet(ATTRS, request.number, b"\0\0\0\x0f\0")],
    "endless attributes": lambda request: [
        packet(ATTRS, request.number, struct.pack(">II", 0x80000000, 0xFFFFFFFF))
    ],
    "no attributes": lambda request: [packet(ATTRS, request.number, bytes(4))],
    "an empty handle": lambda request: [packet(HANDLE, request.number, string(b""))],
    "a handle without end": lambda request: [packet(HANDLE, request.number, struct.pack(">I", 1 << 31))],
    "data": lambda request: [data(request, b"data")],
    "twice": lambda request: [status(request, FAILURE), status(request, FAILURE)],
}
"""Sent where something else belongs."""


@pytest.mark.parametrize("what", NONSENSE)
def test_nonsense_from_the_server_causes_no_crash_and_no_wrong_byte(caller: Caller, what: str) -> None:
    for kind in (INIT, STAT, OPEN, READ, FSTAT):
        caller.server.fault = to(kind, NONSENSE[what])
        code = caller.receive() if (kind, what) != (READ, "data") else 0  # that is right, in a way
        assert code in SENSIBLE | {0}, (kind, caller.said)
        assert code or kind in (INIT, READ), kind
        caller.target.unlink(missing_ok=True)
    for kind in (REALPATH, OPENDIR, READDIR, OPEN, READ):
        caller.server.fault = to(kind, NONSENSE[what])
        code = caller.receive_dir()
        assert code in SENSIBLE | {0}, (kind, caller.said)
        shutil.rmtree(caller.target, ignore_errors=True)


@pytest.mark.parametrize("what", [what for what in NONSENSE if what != "success"])
def test_nonsense_in_response_to_a_send_is_a_failure(caller: Caller, what: str) -> None:
    for kind in (STAT, OPEN, WRITE, FSTAT, EXTENDED):
        caller.server.fault = to(kind, NONSENSE[what])
        code = caller.send()
        assert code in SENSIBLE or (kind, what) == (STAT, "no attributes"), (kind, caller.said)
        caller.server.files.pop(b"/data/new", None)
    for kind in (MKDIR, OPEN, WRITE, CLOSE, EXTENDED):
        caller.server.fault = to(kind, NONSENSE[what])
        code = caller.send_dir()
        assert code in SENSIBLE, (kind, caller.said)
        for name in [name for name in caller.server.files if b"/to/" in name]:
            del caller.server.files[name]
        caller.server.folders.discard(b"/data/to")
