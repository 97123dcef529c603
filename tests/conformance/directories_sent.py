"""The promises of tests/conformance/promises.py about sending directories."""

from pathlib import Path

from connectors.model import RECEIVE_DIR, SEND_DIR
from tests.conformance.promises import (
    AT_ONCE,
    MIB,
    Case,
    meanwhile,
    promise,
    sha1,
    wrong_password,
)
from tests.servers import delay, free_port, make_dirs, remove
from tests.support.trees import deep, file, sample, write


@promise(SEND_DIR)
def a_directory_is_sent_with_its_parents_and_twice_is_once(case: Case, here: Path) -> None:
    write(here / "x", sample(case))
    for _ in range(2):
        result = case.run("send-dir", case.access(SEND_DIR, "far/away"), "x", cwd=here)
        assert result.code == 0, result.stderr
        assert case.tree("far/away") == (sample(case) if case.stores else {})


@promise(SEND_DIR, RECEIVE_DIR)
def a_tree_of_very_many_levels_is_sent(case: Case, here: Path) -> None:
    make_dirs(here / "x" / deep(case))
    try:
        (here / "x" / deep(case) / "a").write_bytes(case.payload(9))
        result = case.run("send-dir", case.access(SEND_DIR, "far"), here / "x")
        assert result.code == 0, result.stderr[:1000]
        if case.stores:
            result = case.run("receive-dir", case.access(RECEIVE_DIR, "far"), here / "y")
            assert result.code == 0, result.stderr[:1000]
            assert (here / "y" / deep(case) / "a").read_bytes() == case.payload(9)
    finally:
        remove(here)


@promise(SEND_DIR)
def only_what_is_listed_is_sent(case: Case, here: Path) -> None:
    write(here / "x", sample(case))
    facts = [{"class": "Directory", "basename": "sub", "listing": [file("b.txt")]}]
    result = case.run("send-dir", case.access(SEND_DIR, "listed"), here / "x", "--listing", facts)
    assert result.code == 0, result.stderr
    assert case.tree("listed") == ({"sub/b.txt": sample(case)["sub/b.txt"]} if case.stores else {})


@promise(SEND_DIR)
def what_a_folder_is_replaced_by_meanwhile_is_not_sent(case: Case, here: Path) -> None:
    if not case.stores:
        return
    names = [f"s{folder}/f{seed}" for folder in range(3) for seed in range(4)]
    write(here / "x", {name: case.payload(MIB, 1) for name in names})
    write(here / "out", {name.partition("/")[2]: case.payload(MIB, 2) for name in names})
    with delay.start(case.port) as relay:
        words: list[object] = ["send-dir", case.access(SEND_DIR, "swapped", relay.port), here / "x"]
        relay.hold_after(2 * MIB, upwards=True)
        with meanwhile(case.executable, words, relay, [0, 65]):  # 0: everything had been read before
            for folder in range(3):
                (here / "x" / f"s{folder}").rename(here / f"moved-{folder}")
                (here / "x" / f"s{folder}").symlink_to(here / "out")
    assert case.payload(MIB, 2) not in case.tree("swapped").values()


@promise(SEND_DIR)
def a_directory_to_send_fails_with_the_right_code(case: Case, here: Path) -> None:
    write(here / "x", {"a": case.payload(9)})
    access = case.access(SEND_DIR, "far")
    assert case.run("send-dir", access, here / "none").code == 66
    assert case.run("send-dir", access, here / "x", "--listing", [file("none")]).code == 66
    assert case.run("send-dir", access, here / "x", "--listing", [file("../x")]).code == 78
    for code, wrong in (
        (77, wrong_password(access)),
        (68, case.access(SEND_DIR, "far", host="no-such-host.invalid")),
        (75, case.access(SEND_DIR, "far", port=free_port())),
    ):
        for verb, source in (("send-dir", [here / "x"]), ("send-dir-validate", [])):
            result = case.run(verb, wrong, *source, env=AT_ONCE)
            assert result.code == (code if case.stores else 0), (verb, result.stderr)


@promise(SEND_DIR)
def a_listed_file_of_another_size_is_not_sent(case: Case, here: Path) -> None:
    write(here / "x", {"longer.bin": case.payload(9), "other.bin": case.payload(9), "good": case.payload(9)})
    facts = [file("longer.bin", size=10), file("other.bin", checksum=sha1(b"other")), file("good", size=9)]
    result = case.run("send-dir", case.access(SEND_DIR, "wrong"), here / "x", "--listing", facts)
    assert result.code == 65
    assert "longer.bin" in result.stderr
    assert "other.bin" in result.stderr
    assert case.tree("wrong") == ({"good": case.payload(9)} if case.stores else {})


@promise(SEND_DIR)
def validate_of_sending_a_directory_changes_nothing(case: Case, here: Path) -> None:
    case.place("far/old", case.payload(9))
    for path in ("far", "far/new"):
        result = case.run("send-dir-validate", case.access(SEND_DIR, path))
        assert result.code == 0, result.stderr
    assert case.tree("far") == {"old": case.payload(9)}
