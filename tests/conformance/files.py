"""The promises of tests/conformance/promises.py about single files."""

import hashlib
import json
import os
import signal
from pathlib import Path

from connectors.model import RECEIVE_FILE, SEND_FILE
from tests.conformance.promises import (
    AT_ONCE,
    MIB,
    NAMES,
    Case,
    interrupted,
    meanwhile,
    promise,
    visible,
    wrong_password,
)
from tests.servers import PASSWORD, delay, free_port

# --- receive-file -------------------------------------------------------------------------------


@promise(RECEIVE_FILE)
def a_file_of_any_size_is_received(case: Case, here: Path) -> None:
    for size in case.sizes:
        case.place(f"size-{size}", case.payload(size))
        result = case.run("receive-file", case.access(RECEIVE_FILE, f"size-{size}"), here / str(size))
        assert result.code == 0, result.stderr
        assert (here / str(size)).read_bytes() == case.payload(size)
    assert len(list(here.iterdir())) == len(case.sizes), "something was left behind"


@promise(RECEIVE_FILE)
def a_file_of_any_name_is_received(case: Case, here: Path) -> None:
    for seed, name in enumerate(NAMES):
        case.place(f"odd/{name}", case.payload(20, seed))
        result = case.run("receive-file", case.access(RECEIVE_FILE, f"odd/{name}"), here / name)
        assert result.code == 0, result.stderr
        assert (here / name).read_bytes() == case.payload(20, seed)


@promise(RECEIVE_FILE)
def validate_of_a_file_moves_no_payload(case: Case, here: Path) -> None:
    case.place("big", case.payload(5 * MIB))
    with delay.start(case.port) as relay:
        result = case.run("receive-file-validate", case.access(RECEIVE_FILE, "big", relay.port))
        assert result.code == 0, result.stderr
        assert relay.passed < MIB


@promise(RECEIVE_FILE)
def validate_finds_what_receive_would_find(case: Case, here: Path) -> None:
    case.place("there", case.payload(9))
    for code, access in (
        (66, case.access(RECEIVE_FILE, "not-there")),
        (77, wrong_password(case.access(RECEIVE_FILE, "there"))),
        (68, case.access(RECEIVE_FILE, "there", host="no-such-host.invalid")),
        (75, case.access(RECEIVE_FILE, "there", port=free_port())),
    ):
        result = case.run("receive-file-validate", access, env=AT_ONCE)
        assert result.code == code, result.stderr
    # The network is not used: a nonexistent host is not noticed.
    access = case.access(RECEIVE_FILE, "there", host="no-such-host.invalid")
    assert case.run("receive-file-validate", "--offline", access).code == 0


@promise(RECEIVE_FILE)
def a_failed_receive_says_why_and_leaves_nothing_behind(case: Case, here: Path) -> None:
    case.place("there", case.payload(9))
    for code, access in (
        (66, case.access(RECEIVE_FILE, "not-there.bin")),
        (66, case.access(RECEIVE_FILE, "no-such-folder/not-there.bin")),
        (77, wrong_password(case.access(RECEIVE_FILE, "there"))),
        (68, case.access(RECEIVE_FILE, "there", host="no-such-host.invalid")),
        (75, case.access(RECEIVE_FILE, "there", port=free_port())),
    ):
        result = case.run("receive-file", access, here / "x", env=AT_ONCE)
        assert result.code == code, result.stderr
        assert list(here.iterdir()) == []


@promise(RECEIVE_FILE)
def a_wrong_password_is_tried_once(case: Case, here: Path) -> None:
    case.place("there", case.payload(9))
    before = case.refusals("there")
    result = case.run("receive-file", wrong_password(case.access(RECEIVE_FILE, "there")), here / "x")
    assert result.code == 77
    assert case.refusals("there") - before == 1


@promise(RECEIVE_FILE)
def a_failed_receive_keeps_the_old_file(case: Case, here: Path) -> None:
    (here / "x").write_bytes(b"old")
    case.place("big", case.payload(5 * MIB))
    with delay.start(case.port) as relay:
        relay.hold_after(MIB)
        access = case.access(RECEIVE_FILE, "big", relay.port)
        result = case.run("receive-file", access, here / "x", env={"RED_RETRIES": "0", "RED_TIMEOUT": "1"})
    assert result.code == 75, result.stderr
    assert result.seconds < 10
    assert (here / "x").read_bytes() == b"old"
    assert visible(here) == ["x"]


@promise(RECEIVE_FILE)
def a_new_file_takes_its_mode_from_the_umask(case: Case, here: Path) -> None:
    case.place("x", case.payload(9))
    for umask, mode in ((0o027, 0o640), (0, 0o666), (0o077, 0o600)):
        target = here / str(umask)
        assert case.run("receive-file", case.access(RECEIVE_FILE, "x"), target, umask=umask).code == 0
        assert target.stat().st_mode & 0o777 == mode


@promise(RECEIVE_FILE)
def a_file_that_replaces_another_keeps_its_mode(case: Case, here: Path) -> None:
    case.place("x", case.payload(9))
    for mode in (0o600, 0o640, 0o444, 0o755):
        (here / "x").write_bytes(b"something longer than that")
        (here / "x").chmod(mode)
        assert case.run("receive-file", case.access(RECEIVE_FILE, "x"), here / "x", umask=0o022).code == 0
        assert (here / "x").read_bytes() == case.payload(9)
        assert (here / "x").stat().st_mode & 0o777 == mode
        (here / "x").unlink()


@promise(RECEIVE_FILE)
def what_replaces_a_private_file_can_be_read_by_nobody_else_on_the_way(case: Case, here: Path) -> None:
    case.place("big", case.payload(5 * MIB))
    (here / "x").write_bytes(b"private")
    (here / "x").chmod(0o600)
    with delay.start(case.port) as relay:
        relay.hold_after(3 * MIB)
        words: list[object] = ["receive-file", case.access(RECEIVE_FILE, "big", relay.port), here / "x"]
        with meanwhile(case.executable, words, relay, [0], here, 2 * MIB):
            modes = {one.name: one.stat().st_mode & 0o777 for one in here.iterdir()}
            assert set(modes.values()) == {0o600}, modes
    assert (here / "x").stat().st_mode & 0o777 == 0o600


@promise(RECEIVE_FILE)
def a_part_file_that_is_replaced_meanwhile_is_never_installed(case: Case, here: Path) -> None:
    case.place("big", case.payload(5 * MIB))
    for number, kind in enumerate(("removed", "a file", "a link", "a hard link")):
        folder = here / str(number)
        folder.mkdir()
        (folder / "x").write_bytes(b"old")
        with delay.start(case.port) as relay:
            relay.hold_after(3 * MIB)
            words: list[object] = ["receive-file", case.access(RECEIVE_FILE, "big", relay.port), folder / "x"]
            with meanwhile(case.executable, words, relay, [75], folder, 2 * MIB):
                (part,) = (one for one in folder.iterdir() if one.name.endswith(".red-part"))
                part.unlink()
                if kind == "a file":
                    part.write_bytes(case.payload(MIB, 7))
                elif kind == "a link":
                    part.symlink_to("/nowhere")
                elif kind == "a hard link":
                    part.hardlink_to(folder / "x")
        assert (folder / "x").read_bytes() == b"old", kind
        assert not (folder / "x").is_symlink(), kind
        assert case.run("receive-file", case.access(RECEIVE_FILE, "big"), folder / "x").code == 0
        assert (folder / "x").read_bytes() == case.payload(5 * MIB)
        assert [one.name for one in folder.iterdir()] == ["x"], "something was left behind"


@promise(RECEIVE_FILE)
def a_relative_target_is_relative_to_the_working_directory(case: Case, here: Path) -> None:
    case.place("x", case.payload(9))
    (here / "sub").mkdir()
    for target in ("x", "sub/x", "./sub/../y"):
        result = case.run("receive-file", case.access(RECEIVE_FILE, "x"), target, cwd=here)
        assert result.code == 0, result.stderr
        assert (here / target).read_bytes() == case.payload(9)


@promise(RECEIVE_FILE)
def a_target_without_parent_is_73_and_so_is_a_directory(case: Case, here: Path) -> None:
    case.place("x", case.payload(9))
    (here / "sub").mkdir()
    for target in (here / "none" / "x", here / "sub"):
        assert case.run("receive-file", case.access(RECEIVE_FILE, "x"), target).code == 73
    assert visible(here) == ["sub"]
    assert list((here / "sub").iterdir()) == []


@promise(RECEIVE_FILE)
def a_receive_that_is_ended_leaves_no_half_file_and_the_next_goes_on(case: Case, here: Path) -> None:
    content = case.payload(8 * MIB)
    case.place("big", content)
    for sign, code in ((signal.SIGTERM, 143), (signal.SIGINT, 130), (signal.SIGKILL, -9)):
        folder = here / str(code)
        folder.mkdir()
        target = folder / "x"
        with delay.start(case.port) as relay:
            arguments: list[object] = ["receive-file", case.access(RECEIVE_FILE, "big", relay.port), target]
            relay.hold_after(6 * MIB)
            with interrupted(case.executable, arguments, relay, sign, code, folder, 5.5 * MIB):
                assert not target.exists()
            relay.release()
            assert case.run(*arguments).code == 0
            assert target.read_bytes() == content
            assert relay.passed < 5 * MIB, f"{relay.passed} bytes of {len(content)} were fetched again"
        assert list(folder.iterdir()) == [target], "something was left behind"


@promise(RECEIVE_FILE)
def a_receipt_tells_what_was_moved(case: Case, here: Path) -> None:
    content = case.payload(4096)
    case.place("x", content)
    env = {"RED_RECEIPT": str(here / "receipts")}
    for _ in range(2):
        assert case.run("receive-file", case.access(RECEIVE_FILE, "x"), here / "x", env=env).code == 0
    lines = [json.loads(line) for line in (here / "receipts").read_text().splitlines()]
    assert len(lines) == 2, "one for each run"
    for line in lines:
        assert line["verb"] == "receive-file"
        assert os.path.basename(line["local"]) == "x"
        assert line["bytes"] == 4096
        assert line["sha256"] == hashlib.sha256(content).hexdigest()
        assert line["attempts"] >= 1
        assert line["seconds"] >= 0
        assert "x" in line["remote"]
        assert PASSWORD not in str(line)


@promise(RECEIVE_FILE)
def the_json_log_is_json_on_every_line(case: Case, here: Path) -> None:
    case.place("x", case.payload(9))
    for code, path in ((0, "x"), (66, "not-there")):
        result = case.run(
            "receive-file", case.access(RECEIVE_FILE, path), here / "x", env={"RED_LOG": "json"}
        )
        assert result.code == code
        assert result.log or code == 0


# --- send-file ----------------------------------------------------------------------------------


@promise(SEND_FILE)
def a_file_of_any_size_is_sent(case: Case, here: Path) -> None:
    case.make_dir("sent")
    for size in case.sizes:
        (here / "x").write_bytes(case.payload(size))
        result = case.run("send-file", case.access(SEND_FILE, f"sent/{size}"), here / "x")
        assert result.code == 0, result.stderr
    wanted = {str(size): case.payload(size) for size in case.sizes} if case.stores else {}
    assert case.tree("sent") == wanted


@promise(SEND_FILE)
def a_file_of_any_name_is_sent(case: Case, here: Path) -> None:
    case.make_dir("sent")
    for seed, name in enumerate(NAMES):
        (here / name).write_bytes(case.payload(20, seed))
        result = case.run("send-file", case.access(SEND_FILE, f"sent/{name}"), here / name)
        assert result.code == 0, result.stderr
    wanted = {name: case.payload(20, seed) for seed, name in enumerate(NAMES)} if case.stores else {}
    assert case.tree("sent") == wanted


@promise(SEND_FILE)
def a_sent_file_replaces_the_old_one_and_twice_is_once(case: Case, here: Path) -> None:
    case.place("sent/x", b"something longer than that")
    (here / "x").write_bytes(case.payload(9))
    for _ in range(2):
        assert case.run("send-file", case.access(SEND_FILE, "sent/x"), "x", cwd=here).code == 0
    if case.stores:
        assert case.tree("sent") == {"x": case.payload(9)}


@promise(SEND_FILE)
def a_file_that_is_not_here_is_66(case: Case, here: Path) -> None:
    case.make_dir("sent")
    result = case.run("send-file", case.access(SEND_FILE, "sent/x"), here / "none")
    assert result.code == 66
    assert "none" in result.stderr
    assert case.run("send-file", case.access(SEND_FILE, "sent/x"), here).code in (65, 66)
    assert case.tree("sent") == {}


@promise(SEND_FILE)
def a_file_that_does_not_state_its_size_is_65_and_not_sent(case: Case, here: Path) -> None:
    """As for all files of /proc, which report 0, and /sys, 4096."""
    case.make_dir("sent")
    for source in ("/proc/version", "/sys/kernel/mm/transparent_hugepage/enabled"):
        result = case.run("send-file", case.access(SEND_FILE, "sent/x"), source)
        if case.stores:
            assert result.code == 65, result.stderr
            assert source in result.stderr
    assert case.tree("sent") == {}


@promise(SEND_FILE)
def send_says_why_it_failed_and_leaves_nothing_there(case: Case, here: Path) -> None:
    case.make_dir("sent")
    (here / "x").write_bytes(case.payload(MIB))
    failures = [
        (77, wrong_password(case.access(SEND_FILE, "sent/x"))),
        (68, case.access(SEND_FILE, "sent/x", host="no-such-host.invalid")),
        (75, case.access(SEND_FILE, "sent/x", port=free_port())),
    ]
    before = case.refusals("sent")
    for code, access in failures if case.stores else []:
        assert case.run("send-file", access, here / "x", env=AT_ONCE).code == code
    assert case.tree("sent") == {}
    assert case.refusals("sent") - before <= 1


@promise(SEND_FILE)
def validate_of_a_send_changes_nothing(case: Case, here: Path) -> None:
    case.place("sent/y", case.payload(9))
    for path in ("sent/x", "sent/y"):
        result = case.run("send-file-validate", case.access(SEND_FILE, path))
        assert result.code == 0, result.stderr
    assert case.tree("sent") == {"y": case.payload(9)}
    for code, access in (
        (77, wrong_password(case.access(SEND_FILE, "sent/x"))),
        (68, case.access(SEND_FILE, "sent/x", host="no-such-host.invalid")),
        (75, case.access(SEND_FILE, "sent/x", port=free_port())),
    ):
        result = case.run("send-file-validate", access, env=AT_ONCE)
        assert result.code == (code if case.stores else 0), result.stderr


@promise(SEND_FILE)
def a_send_that_is_ended_leaves_no_half_file(case: Case, here: Path) -> None:
    if not case.stores:
        return
    case.make_dir("sent")
    (here / "x").write_bytes(case.payload(8 * MIB))
    for sign, code in ((signal.SIGTERM, 143), (signal.SIGINT, 130)):
        with delay.start(case.port) as relay:
            arguments: list[object] = ["send-file", case.access(SEND_FILE, "sent/x", relay.port), here / "x"]
            relay.hold_after(6 * MIB, upwards=True)
            with interrupted(case.executable, arguments, relay, sign, code):
                assert "x" not in case.tree("sent")
    assert case.run("send-file", case.access(SEND_FILE, "sent/x"), here / "x").code == 0
    assert case.tree("sent") == {"x": case.payload(8 * MIB)}


@promise(SEND_FILE)
def a_receipt_tells_what_was_sent(case: Case, here: Path) -> None:
    if not case.stores:
        return
    case.make_dir("sent")
    (here / "x").write_bytes(case.payload(99))
    env = {"RED_RECEIPT": str(here / "receipts")}
    assert case.run("send-file", case.access(SEND_FILE, "sent/x"), here / "x", env=env).code == 0
    line = json.loads((here / "receipts").read_text())
    assert line["verb"] == "send-file"
    assert line["bytes"] == 99
    assert line["sha256"] == hashlib.sha256(case.payload(99)).hexdigest()
