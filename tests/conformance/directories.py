"""The promises of tests/conformance/promises.py about receiving directories."""

import json
import signal
from pathlib import Path

from connectors.model import RECEIVE_DIR, RECEIVE_FILE
from tests.conformance.promises import (
    AT_ONCE,
    MIB,
    Case,
    interrupted,
    meanwhile,
    promise,
    sha1,
    visible,
    wrong_password,
)
from tests.servers import delay, free_port, remove
from tests.support.file_systems import without_case
from tests.support.trees import deep, file, listing, place, read, sample, write


@promise(RECEIVE_DIR)
def a_directory_lands_in_the_folder_that_is_there_or_not(case: Case, here: Path) -> None:
    place(case, "dir", sample(case))
    (here / "there").mkdir()
    for name in ("there", "not-there", "there"):  # the third time it is full
        result = case.run("receive-dir", case.access(RECEIVE_DIR, "dir"), name, cwd=here)
        assert result.code == 0, result.stderr
        assert read(here / name) == sample(case)


@promise(RECEIVE_DIR)
def a_directory_is_received_by_its_listing(case: Case, here: Path) -> None:
    place(case, "dir", sample(case))
    for checked in (True, False):
        target = here / str(checked)
        facts = listing(sample(case), checked)
        result = case.run("receive-dir", case.access(RECEIVE_DIR, "dir"), target, "--listing", facts)
        assert result.code == 0, result.stderr
        assert read(target) == sample(case)


@promise(RECEIVE_DIR)
def only_what_is_listed_is_received_and_empty_folders_are_made(case: Case, here: Path) -> None:
    place(case, "dir", sample(case))
    case.make_dir("dir/empty")
    facts = [{"class": "Directory", "basename": "sub", "listing": [file("b.txt")]}]
    facts.append({"class": "Directory", "basename": "empty", "listing": []})
    assert case.run("receive-dir", case.access(RECEIVE_DIR, "dir"), here / "x", "--listing", facts).code == 0
    assert read(here / "x") == {"sub/b.txt": sample(case)["sub/b.txt"]}
    assert (here / "x" / "empty").is_dir()


@promise(RECEIVE_DIR)
def the_listing_may_stand_anywhere_on_the_command_line(case: Case, here: Path) -> None:
    case.place("dir/a", case.payload(9))
    case.place("dir/b", case.payload(9))
    (here / "l.json").write_text(json.dumps([file("a")]))
    access, option = case.access(RECEIVE_DIR, "dir"), f"--listing={here}/l.json"
    for number, line in enumerate(
        (
            ["--listing", here / "l.json", "receive-dir", access, "T"],
            [option, "receive-dir", access, "T"],
            ["receive-dir", option, access, "T"],
            ["receive-dir", access, option, "T"],
            ["receive-dir", access, "--listing", here / "l.json", "T"],
            ["receive-dir", access, "T", option],
        )
    ):
        words = [here / str(number) if word == "T" else word for word in line]
        result = case.run(*words)
        assert result.code == 0, (line, result.stderr)
        assert visible(here / str(number)) == ["a"]


@promise(RECEIVE_DIR)
def a_listing_that_leads_outside_is_78_and_nothing_is_written(case: Case, here: Path) -> None:
    """listing.py's tests cover the other errors; this one checks that it is called."""
    case.place("dir/a", case.payload(9))
    up = {"class": "Directory", "basename": "..", "listing": [file("a")]}
    for one in ([file("a"), file("../x")], [file("/etc/x")], [up], [file("a", checksum="sha1$zz")]):
        access = case.access(RECEIVE_DIR, "dir")
        assert case.run("receive-dir-validate", "--offline", access, "--listing", one).code == 78, one
        (here / "x").mkdir(exist_ok=True)
        assert case.run("receive-dir", access, here / "x" / "y", "--listing", one).code == 78, one
        assert read(here) == {}


@promise(RECEIVE_DIR)
def wrong_sizes_and_checksums_are_65_and_every_failed_file_is_named(case: Case, here: Path) -> None:
    for name in ("good", "short", "changed"):
        case.place(f"dir/{name}", case.payload(40))
    facts = [
        file("short", size=41),
        file("changed", size=40, checksum=sha1(b"other")),
        file("good", size=40, checksum=sha1(case.payload(40))),
    ]
    result = case.run("receive-dir", case.access(RECEIVE_DIR, "dir"), here / "x", "--listing", facts)
    assert result.code == 65, result.stderr
    assert "short" in result.stderr
    assert "changed" in result.stderr
    assert visible(here / "x") == ["good"]


@promise(RECEIVE_DIR)
def listed_files_that_are_not_there_are_66_and_all_are_named(case: Case, here: Path) -> None:
    case.place("dir/good", case.payload(40))
    facts = [file("none-1"), file("good"), file("none-2")]
    result = case.run("receive-dir", case.access(RECEIVE_DIR, "dir"), here / "x", "--listing", facts)
    assert result.code == 66, result.stderr
    assert "none-1" in result.stderr
    assert "none-2" in result.stderr
    assert visible(here / "x") == ["good"]
    validated = case.run("receive-dir-validate", case.access(RECEIVE_DIR, "dir"), "--listing", facts)
    assert validated.code == 66
    assert "none-1" in validated.stderr
    assert "none-2" in validated.stderr


@promise(RECEIVE_DIR)
def a_second_run_fetches_nothing_that_is_there_and_right(case: Case, here: Path) -> None:
    tree = {f"f{seed}": case.payload(MIB // 2, seed) for seed in range(4)}
    place(case, "dir", tree)
    with delay.start(case.port) as relay:
        arguments = [
            "receive-dir",
            case.access(RECEIVE_DIR, "dir", relay.port),
            here / "x",
            "--listing",
            listing(tree),
        ]
        assert case.run(*arguments).code == 0
        first = relay.passed
        (here / "x" / "f1").write_bytes(b"wrong")
        (here / "x" / "f2").write_bytes(case.payload(MIB // 2, 77))  # the right size proves nothing
        relay.release()
        assert case.run(*arguments).code == 0
        assert relay.passed < 0.6 * first
        relay.release()
        assert case.run(*arguments).code == 0
        assert relay.passed < 0.05 * first
    assert read(here / "x") == tree


@promise(RECEIVE_DIR)
def names_that_are_one_file_here_are_73_and_nothing_moves(case: Case, here: Path) -> None:
    tree = {name: case.payload(9, seed) for seed, name in enumerate(("README", "data", "readme", "sub/x"))}
    place(case, "dir", tree)
    access = case.access(RECEIVE_DIR, "dir")
    with without_case(here) as windows:
        for parallel in ("1", "8"):
            for extra in ([], ["--listing", listing(tree)]):
                result = case.run("receive-dir", access, windows, *extra, env={"RED_PARALLEL": parallel})
                assert result.code == 73, result.stderr
                assert "README" in result.stderr
                assert "readme" in result.stderr
                assert read(windows) == {}
    assert case.run("receive-dir", access, here / "x").code == 0
    assert read(here / "x") == tree


@promise(RECEIVE_DIR)
def a_directory_with_more_entries_than_are_allowed_is_76(case: Case, here: Path) -> None:
    place(case, "dir", {f"{seed}": case.payload(9) for seed in range(5)})
    access = case.access(RECEIVE_DIR, "dir")
    result = case.run("receive-dir", access, here / "x", env={"RED_MAX_ENTRIES": "4"})
    assert result.code == 76, result.stderr
    assert "RED_MAX_ENTRIES" in result.stderr
    assert list(here.iterdir()) == []
    assert case.run("receive-dir", access, here / "x", env={"RED_MAX_ENTRIES": "5"}).code == 0


@promise(RECEIVE_DIR)
def other_files_in_the_folder_stay(case: Case, here: Path) -> None:
    case.place("dir/a", case.payload(9))
    (here / "mine").write_bytes(b"mine")
    assert case.run("receive-dir", case.access(RECEIVE_DIR, "dir"), here).code == 0
    assert read(here) == {"a": case.payload(9), "mine": b"mine"}


@promise(RECEIVE_DIR)
def a_directory_to_receive_fails_with_the_right_code(case: Case, here: Path) -> None:
    case.place("dir/a", case.payload(9))
    (here / "file").write_bytes(b"")
    access = case.access(RECEIVE_DIR, "dir")
    assert case.run("receive-dir", access, here / "none" / "x").code == 73
    assert case.run("receive-dir", access, here / "file").code == 73
    for code, wrong in (
        (66, case.access(RECEIVE_DIR, "not-there")),
        (77, wrong_password(access)),
        (68, case.access(RECEIVE_DIR, "dir", host="no-such-host.invalid")),
        (75, case.access(RECEIVE_DIR, "dir", port=free_port())),
    ):
        for verb, target in (("receive-dir", [here / "x"]), ("receive-dir-validate", [])):
            result = case.run(verb, wrong, *target, env=AT_ONCE)
            assert result.code == code, (verb, result.stderr)
    assert not (here / "x").exists() or read(here / "x") == {}


@promise(RECEIVE_DIR)
def a_directory_that_is_missing_is_not_an_empty_one(case: Case, here: Path) -> None:
    case.place("dir/a", case.payload(9))
    case.make_dir("dir/empty")
    empty = {0} if case.keeps_empty_folders else {66}
    for path, codes in (("dir/empty", empty), ("dir/none", {66}), ("none/empty", {66}), ("dir/a/b", {66})):
        access = case.access(RECEIVE_DIR, path)
        for verb, target in (("receive-dir", [here / path]), ("receive-dir-validate", [])):
            (here / path).parent.mkdir(parents=True, exist_ok=True)
            result = case.run(verb, access, *target)
            assert result.code in codes, (verb, path, result.stderr)


@promise(RECEIVE_DIR, RECEIVE_FILE)
def a_file_is_not_received_as_a_directory_nor_a_directory_as_a_file(case: Case, here: Path) -> None:
    case.place("dir/sub/a", case.payload(9))
    for verb, path in ((RECEIVE_DIR, "dir/sub/a"), (RECEIVE_FILE, "dir/sub")):
        access = case.access(verb, path)
        for command, target in ((str(verb), [here / "x"]), (f"{verb}-validate", [])):
            result = case.run(command, access, *target)
            assert result.code in (65, 66), (command, result.stderr)
            assert list(here.iterdir()) == []


@promise(RECEIVE_DIR)
def a_tree_of_very_many_levels_is_received(case: Case, here: Path) -> None:
    case.place(f"dir/{deep(case)}/a", case.payload(9))
    try:
        result = case.run("receive-dir", case.access(RECEIVE_DIR, "dir"), here / "x")
        assert result.code == 0, result.stderr[:1000]
        assert (here / "x" / deep(case) / "a").read_bytes() == case.payload(9)
    finally:
        remove(here / "x")


@promise(RECEIVE_DIR)
def a_wrong_password_for_a_directory_is_tried_once(case: Case, here: Path) -> None:
    tree = {f"f{seed}": case.payload(9, seed) for seed in range(6)}
    place(case, "dir", tree)
    before = case.refusals("dir")
    access = wrong_password(case.access(RECEIVE_DIR, "dir"))
    assert case.run("receive-dir", access, here / "x", "--listing", listing(tree)).code == 77
    assert case.refusals("dir") - before == 1


@promise(RECEIVE_DIR)
def validate_of_a_directory_moves_no_payload(case: Case, here: Path) -> None:
    tree = {f"f{seed}": case.payload(MIB, seed) for seed in range(4)}
    place(case, "dir", tree)
    with delay.start(case.port) as relay:
        access = case.access(RECEIVE_DIR, "dir", relay.port)
        for extra in ([], ["--listing", listing(tree)]):
            result = case.run("receive-dir-validate", access, *extra)
            assert result.code == 0, result.stderr
        assert relay.passed < MIB


@promise(RECEIVE_DIR)
def a_directory_that_is_interrupted_has_no_half_files_and_the_next_run_goes_on(
    case: Case, here: Path
) -> None:
    tree = {f"f{seed}": case.payload(2 * MIB, seed) for seed in range(4)}
    place(case, "dir", tree)
    for sign, code in ((signal.SIGTERM, 143), (signal.SIGKILL, -9)):
        target = here / str(code)
        with delay.start(case.port) as relay:
            arguments: list[object] = ["receive-dir", case.access(RECEIVE_DIR, "dir", relay.port), target]
            arguments += ["--listing", listing(tree)]
            relay.hold_after(7 * MIB)
            with interrupted(case.executable, arguments, relay, sign, code, target, 6.5 * MIB):
                for name in visible(target):
                    assert (target / name).read_bytes() == tree[name]
            relay.release()
            assert case.run(*arguments).code == 0
            assert read(target) == tree
            assert relay.passed < 6 * MIB


@promise(RECEIVE_DIR)
def a_folder_replaced_by_a_link_meanwhile_leads_nowhere(case: Case, here: Path) -> None:
    tree = {f"s{folder}/f{seed}": case.payload(MIB, seed) for folder in range(3) for seed in range(4)}
    place(case, "dir", tree)
    (here / "out").mkdir()
    with delay.start(case.port) as relay:
        words: list[object] = ["receive-dir", case.access(RECEIVE_DIR, "dir", relay.port), here / "x"]
        words += ["--listing", listing(tree)]
        relay.hold_after(2 * MIB)
        with meanwhile(case.executable, words, relay, [73, 75], here / "x", MIB):
            for folder in range(3):
                (here / "x" / f"s{folder}").rename(here / f"moved-{folder}")
                (here / "x" / f"s{folder}").symlink_to(here / "out")
    assert list((here / "out").iterdir()) == []
    assert case.run(*words[:1], case.access(RECEIVE_DIR, "dir"), *words[2:]).code == 73
    assert list((here / "out").iterdir()) == []


@promise(RECEIVE_DIR)
def files_of_a_directory_that_replace_others_keep_their_modes(case: Case, here: Path) -> None:
    tree = {"small": case.payload(9), "sub/small": case.payload(9), "sub/large": case.payload(MIB)}
    place(case, "dir", tree)
    write(here / "x", dict.fromkeys(tree, b"old"))
    for path in tree:
        (here / "x" / path).chmod(0o600)
    result = case.run("receive-dir", case.access(RECEIVE_DIR, "dir"), here / "x", umask=0o022)
    assert result.code == 0, result.stderr
    assert read(here / "x") == tree
    assert {path: (here / "x" / path).stat().st_mode & 0o777 for path in tree} == dict.fromkeys(tree, 0o600)


@promise(RECEIVE_DIR)
def what_earlier_calls_left_is_gone_after_a_success(case: Case, here: Path) -> None:
    tree = {path: case.payload(9, seed) for seed, path in enumerate(("a", "b", "sub/c", "sub/d"))}
    place(case, "dir", tree)
    names = (".a.red-part", ".a.red-state", ".b.red-state", "sub/.c.red-part", "sub/..d.red-part.red-part")
    write(here / "x", dict.fromkeys(names, b"half of it"))
    result = case.run("receive-dir", case.access(RECEIVE_DIR, "dir"), here / "x")
    assert result.code == 0, result.stderr
    assert read(here / "x") == tree


@promise(RECEIVE_DIR)
def links_to_folders_inside_are_followed_and_those_to_outside_are_73(case: Case, here: Path) -> None:
    place(case, "dir", {"sub/a": case.payload(9), "sub/b": case.payload(9)})
    write(here / "x", {"real/a": b"private"})
    (here / "x" / "real" / "a").chmod(0o600)
    (here / "x" / "sub").symlink_to("real")
    result = case.run("receive-dir", case.access(RECEIVE_DIR, "dir"), here / "x", umask=0o022)
    assert result.code == 0, result.stderr
    assert read(here / "x" / "real") == {"a": case.payload(9), "b": case.payload(9)}
    assert (here / "x" / "real" / "a").stat().st_mode & 0o777 == 0o600
    (here / "x" / "sub").unlink()
    (here / "x" / "sub").symlink_to(here / "out")
    (here / "out").mkdir()
    assert case.run("receive-dir", case.access(RECEIVE_DIR, "dir"), here / "x").code == 73
    assert list((here / "out").iterdir()) == []


@promise(RECEIVE_DIR)
def receipts_of_a_directory_have_clean_paths(case: Case, here: Path) -> None:
    place(case, "dir", {"a": case.payload(9), "sub/b": case.payload(9)})
    for number, name in enumerate(("x", "x/", "./x", ".//x/./")):
        env = {"RED_RECEIPT": str(here / f"receipts-{number}")}
        assert case.run("receive-dir", case.access(RECEIVE_DIR, "dir"), name, cwd=here, env=env).code == 0
        lines = (here / f"receipts-{number}").read_text().splitlines()
        assert {json.loads(line)["local"] for line in lines} <= {"x/a", "x/sub/b"}
        (here / "x").rename(here / f"moved-{number}")


@promise(RECEIVE_DIR)
def every_file_of_a_directory_has_a_receipt(case: Case, here: Path) -> None:
    place(case, "dir", sample(case))
    env = {"RED_RECEIPT": str(here / "receipts"), "RED_LOG": "json"}
    result = case.run("receive-dir", case.access(RECEIVE_DIR, "dir"), here / "x", env=env)
    assert result.code == 0
    assert result.log is not None
    lines = [json.loads(line) for line in (here / "receipts").read_text().splitlines()]
    assert len(lines) == len(sample(case))
    assert {line["verb"] for line in lines} == {"receive-dir"}
