"""The promises of tests/conformance/promises.py about decorations: no byte bypasses one. They hold for all
connectors. The directories have small files that an undecorated connector may batch.
"""

import hashlib
from pathlib import Path

from connectors.model import RECEIVE_DIR, RECEIVE_FILE, SEND_DIR, SEND_FILE
from tests.conformance.promises import MIB, Case, promise
from tests.servers import delay
from tests.support.decorated import run_decorated
from tests.support.trees import Tree, place, read, write

SMALL_FILES = 20


def sha1(content: bytes) -> str:
    return hashlib.sha1(content, usedforsecurity=False).hexdigest()


def sums(tree: Tree, folder: Path | None = None) -> dict[str, str]:
    """The SHA-1 of each file, by its path in the tree or in the local ``folder``."""
    return {str(folder / path) if folder else path: sha1(content) for path, content in tree.items()}


def sent(case: Case, tree: Tree) -> dict[str, str]:
    """What sending the ``tree`` must have read."""
    return sums(tree) if case.stores else dict.fromkeys(tree, sha1(b""))


def small_and_large(case: Case) -> Tree:
    small = {f"d{seed % 3}/f{seed}": case.payload(30 + seed, seed) for seed in range(SMALL_FILES)}
    return {**small, "large": case.payload(2 * MIB), "d0/empty": b""}


# --- recorded -----------------------------------------------------------------------------------


@promise(RECEIVE_FILE)
def no_byte_of_a_received_file_passes_around_a_decoration(case: Case, here: Path) -> None:
    for size in case.sizes:
        content = case.payload(size)
        case.place(f"f{size}", content)
        local, access = here / f"f{size}", case.access(RECEIVE_FILE, f"f{size}")
        result, record = run_decorated("recording", case.executable, "receive-file", access, local)
        assert result.code == 0, result.stderr
        assert local.read_bytes() == content
        assert record == ({"": sha1(content)}, {}, {str(local): sha1(content)})


@promise(SEND_FILE)
def no_byte_of_a_sent_file_passes_around_a_decoration(case: Case, here: Path) -> None:
    for size in case.sizes:
        content = case.payload(size)
        local, access = here / f"f{size}", case.access(SEND_FILE, f"f{size}")
        local.write_bytes(content)
        result, record = run_decorated("recording", case.executable, "send-file", access, local)
        assert result.code == 0, result.stderr
        assert case.tree("").get(f"f{size}") == (content if case.stores else None)
        assert record == ({}, sent(case, {"": content}), {str(local): sha1(content)})


@promise(RECEIVE_DIR)
def no_byte_of_a_received_directory_passes_around_a_decoration(case: Case, here: Path) -> None:
    tree = small_and_large(case)
    place(case, "dir", tree)
    access = case.access(RECEIVE_DIR, "dir")
    result, record = run_decorated("recording", case.executable, "receive-dir", access, here / "x")
    assert result.code == 0, result.stderr
    assert read(here / "x") == tree
    assert record == (sums(tree), {}, sums(tree, here / "x"))


@promise(SEND_DIR)
def no_byte_of_a_sent_directory_passes_around_a_decoration(case: Case, here: Path) -> None:
    tree = small_and_large(case)
    local, access = write(here / "x", tree), case.access(SEND_DIR, "dir")
    result, record = run_decorated("recording", case.executable, "send-dir", access, local)
    assert result.code == 0, result.stderr
    assert case.tree("dir") == (tree if case.stores else {})
    assert record == ({}, sent(case, tree), sums(tree, local))


# --- mock-send ----------------------------------------------------------------------------------


@promise(SEND_FILE)
def mock_send_of_any_connector_sends_no_file_and_contacts_nobody(case: Case, here: Path) -> None:
    (here / "x").write_bytes(case.payload(9))
    with delay.start(case.port) as relay:
        access = case.access(SEND_FILE, "d/x", relay.port)
        result, _ = run_decorated("mock-send", case.executable, "send-file", access, here / "x")
        assert result.code == 0, result.stderr
        assert "not sent" in result.stderr
        assert relay.passed == 0
    assert case.tree("d") == {}


@promise(SEND_DIR)
def mock_send_of_any_connector_sends_no_directory_and_contacts_nobody(case: Case, here: Path) -> None:
    tree = small_and_large(case)
    local = write(here / "x", tree)
    with delay.start(case.port) as relay:
        access = case.access(SEND_DIR, "d", relay.port)
        result, _ = run_decorated("mock-send", case.executable, "send-dir", access, local)
        assert result.code == 0, result.stderr
        assert result.stderr.count("not sent") == len(tree)
        assert relay.passed == 0
    assert case.tree("d") == {}


@promise(RECEIVE_DIR)
def mock_send_of_any_connector_receives(case: Case, here: Path) -> None:
    tree = small_and_large(case)
    place(case, "dir", tree)
    access = case.access(RECEIVE_DIR, "dir")
    result, _ = run_decorated("mock-send", case.executable, "receive-dir", access, here / "x")
    assert result.code == 0, result.stderr
    assert read(here / "x") == tree


# --- JSON only ----------------------------------------------------------------------------------


@promise(RECEIVE_DIR)
def json_only_of_any_connector_receives_nothing_else(case: Case, here: Path) -> None:
    good = {f"{number}.json": str(number).encode() for number in range(SMALL_FILES)}
    place(case, "dir", {**good, "bad.json": b"[1"})
    access = case.access(RECEIVE_DIR, "dir")
    result, _ = run_decorated("json-only", case.executable, "receive-dir", access, here / "x")
    assert result.code == 65, result.stderr
    assert "bad.json is not JSON" in result.stderr
    assert read(here / "x") == good


@promise(SEND_DIR)
def json_only_of_any_connector_sends_nothing_else(case: Case, here: Path) -> None:
    good = {f"{number}.json": str(number).encode() for number in range(SMALL_FILES)}
    local, access = write(here / "x", {**good, "bad.json": b"[1"}), case.access(SEND_DIR, "dir")
    result, _ = run_decorated("json-only", case.executable, "send-dir", access, local)
    assert result.code == 65, result.stderr
    assert "bad.json is not JSON" in result.stderr
    assert case.tree("dir") == (good if case.stores else {})
