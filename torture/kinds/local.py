"""Local faults: the folder, the disk and the limits change during a transfer."""

import contextlib
import os
import pwd
import resource
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from connectors.errors import Exit
from connectors.model import Verb
from tests.servers.sshd import ACCOUNT
from torture import judge, line
from torture.case import Case, kind
from torture.judge import require
from torture.place import SCENES
from torture.program import Limits
from torture.trial import LATER, MOVING_VERBS, Trial

GROUP = "This machine"
LOCAL = frozenset({Exit.CANTCREAT, Exit.IOERR})
RECEIVING = [verb for verb in MOVING_VERBS if not verb.sends]
SMALL = 1 << 20


@contextlib.contextmanager
def trial_of(case: Case, verbs: list[Verb], most: int = 200_000) -> Iterator[tuple[Trial, int]]:
    """A trial of any connector with a real server, and its port."""
    choices = [
        (one, verb)
        for one in SCENES
        for verb in verbs
        if case.place.has(one.needs)
        and verb not in one.without
        and ("json" not in one.name or not verb.of_directory)
    ]
    scene, verb = case.pick(choices)
    with scene.make(case.place, case.name) as server:
        yield Trial(case, server, verb, most=most), server.port


# -- somebody else is at work in the folder ------------------------------------------------------


def _parts(trial: Trial) -> list[Path]:
    return sorted(trial.here.rglob(".*.red-part"))


def _remove_part(trial: Trial, case: Case) -> None:
    for part in _parts(trial):
        part.unlink(missing_ok=True)


FOREIGN = b"of somebody else"


def _other_part(trial: Trial, case: Case) -> None:
    for part in _parts(trial):
        part.unlink(missing_ok=True)
        part.write_bytes(FOREIGN)


def _link_for_part(trial: Trial, case: Case) -> None:
    for part in _parts(trial):
        part.unlink(missing_ok=True)
        part.symlink_to(trial.case.folder / "outside" / "precious")


def _folder_for_part(trial: Trial, case: Case) -> None:
    for part in _parts(trial):
        part.unlink(missing_ok=True)
        part.mkdir()


def _remove_state(trial: Trial, case: Case) -> None:
    for state in trial.here.rglob(".*.red-state"):
        state.unlink(missing_ok=True)


def _link_for_folder(trial: Trial, case: Case) -> None:
    """A folder inside LOCALDIR is replaced by a link to outside."""
    folders = sorted(one for one in trial.local.rglob("*") if one.is_dir() and not one.is_symlink())
    if folders:
        folder = case.pick(folders)
        folder.rename(trial.case.folder / "moved")
        folder.symlink_to(trial.case.folder / "outside")


def _remove_folder(trial: Trial, case: Case) -> None:
    folders = sorted(one for one in trial.local.rglob("*") if one.is_dir() and not one.is_symlink())
    if folders:
        shutil.rmtree(case.pick(folders), ignore_errors=True)


def _is_whole(trial: Trial, part: Path) -> bool:
    """Whether the part's file exists."""
    file = part.with_name(part.name.removeprefix(".").removesuffix(".red-part"))
    return file.is_file() and file.read_bytes() in trial.content.values()


MEDDLING: dict[str, Callable[[Trial, Case], None]] = {
    "the part file is removed": _remove_part,
    "another file stands for the part file": _other_part,
    "a link stands for the part file": _link_for_part,
    "a folder stands for the part file": _folder_for_part,
    "the state file is removed": _remove_state,
    "a link stands for a folder": _link_for_folder,
    "a folder is removed": _remove_folder,
}


def _meddle(name: str, act: Callable[[Trial, Case], None]) -> None:
    @kind(GROUP, name, weight=5)
    def try_it(case: Case) -> None:
        outside = case.folder / "outside"
        outside.mkdir()
        (outside / "precious").write_bytes(b"precious")
        verbs = [Verb.RECEIVE_DIR] if "folder" in name and "part" not in name else RECEIVING
        with trial_of(case, verbs) as (trial, port):
            trial.old = {
                path: old
                for path, old in trial.old.items()
                if not (trial.local.is_dir() and act is _remove_folder)
            }
            if act is _remove_folder:
                shutil.rmtree(trial.here)
                trial.here.mkdir()
            done = []

            def meddle() -> None:
                time.sleep(case.pick((0, 0.005, 0.02)))
                with contextlib.suppress(OSError):
                    act(trial, case)
                    done.append(1)

            total = sum(map(len, trial.content.values())) + 3000
            fault = line.Fault("call", int(case.random.random() * total), call=meddle)
            with line.relay(port, fault) as relay:
                outcome = trial.meddled(relay.port, gone=act in (_remove_folder, _link_for_folder))
            found = judge.snapshot(outside)
            require(found == {"precious": b"precious"}, f"it wrote outside of the folder: {sorted(found)}")
            codes = LOCAL | LATER | {Exit.DATAERR}
            trial.fault(outcome, codes, here=True, struck=done)
            for one in (trial.local, *trial.local.rglob("*")):
                if one.is_symlink():
                    one.unlink()
            for one in _parts(trial):
                if one.is_dir():
                    one.rmdir()
                elif one.read_bytes() == FOREIGN and _is_whole(trial, one):
                    one.unlink()  # created after the transfer: not checked for files that are up to date
            trial.clean()


for _name, _act in MEDDLING.items():
    _meddle(_name, _act)


# -- disk and limits ----------------------------------------------------------------------------------


@kind(GROUP, "the disk is full", weight=8, needs=["root"])
def _full(case: Case) -> None:
    with trial_of(case, RECEIVING, most=400_000) as (trial, _):
        backup = judge.snapshot(trial.here)
        words = ["mount", "-t", "tmpfs", "-o", f"size={SMALL},mode=777", "red-torture", str(trial.here)]
        if subprocess.run(words, capture_output=True).returncode:
            return
        try:
            for path, content in backup.items():
                (trial.here / path).parent.mkdir(parents=True, exist_ok=True)
                (trial.here / path).write_bytes(content)
            total = sum(map(len, trial.content.values()))
            filler = case.folder / "here" / "filler"
            left = int(case.random.random() * total)
            case.note(f"{left} bytes free")
            trial.old["filler"] = b""
            with contextlib.suppress(OSError):
                filler.write_bytes(bytes(max(0, SMALL - left - sum(map(len, backup.values())))))
            outcome = trial.run()
            trial.fault(outcome, LOCAL, here=True)
            filler.unlink()
            if outcome.code and total < SMALL - 100_000:
                trial.clean()
        finally:
            subprocess.run(["umount", "-l", str(trial.here)], check=True)


@kind(GROUP, "files may be no larger than so much", weight=5)
def _file_size(case: Case) -> None:
    with trial_of(case, RECEIVING) as (trial, _):
        most = int(case.random.random() * max(map(len, trial.content.values())))
        case.note(f"{most} bytes")
        outcome = trial.run(limits=Limits({resource.RLIMIT_FSIZE: max(most, 5000)}))
        trial.fault(outcome, LOCAL, here=True)
        if outcome.code:
            trial.clean()


@kind(GROUP, "only so many open files", weight=5)
def _open_files(case: Case) -> None:
    with trial_of(case, MOVING_VERBS) as (trial, _):
        most = case.random.randint(4, 30)
        case.note(f"{most} files")
        outcome = trial.run(limits=Limits({resource.RLIMIT_NOFILE: most}))
        trial.fault(
            outcome, LOCAL | LATER | {Exit.NOINPUT, Exit.PROTOCOL, Exit.CONFIG, Exit.UNAVAILABLE}, here=True
        )
        if outcome.code:
            trial.clean()


@kind(GROUP, "a folder that may not be written", weight=5, needs=["root"])
def _not_writable(case: Case) -> None:
    with trial_of(case, RECEIVING) as (trial, _):
        trial.receipt = trial.really = False  # that user cannot read this checkout, perhaps
        trial.here.chmod(0o755)
        case.folder.chmod(0o755)
        for one in [one for one in trial.here.rglob("*") if one.is_dir()]:
            one.chmod(0o555)
        outcome = trial.run(limits=Limits(user=pwd.getpwnam(ACCOUNT).pw_uid))
        trial.fault(outcome, LOCAL, here=True)
        trial.here.chmod(0o777)
        if outcome.code:
            trial.clean()


def _in_the_way(trial: Trial) -> dict[str, Callable[[], object]]:
    return {
        "a folder": lambda: trial.local.mkdir(),
        "a dangling link": lambda: trial.local.symlink_to(trial.here / "no" / "where"),
        "a FIFO": lambda: os.mkfifo(trial.local),
        "no parent": lambda: trial.here.rmdir(),
        "a file for the parent": lambda: (trial.here.rmdir(), trial.here.write_bytes(b"")),
    }


@kind(GROUP, "something else has the name", weight=4)
def _taken(case: Case) -> None:
    with trial_of(case, [Verb.RECEIVE_FILE]) as (trial, _):
        shutil.rmtree(trial.here)
        trial.here.mkdir()
        name, make = case.pick(sorted(_in_the_way(trial).items()))
        case.note(name)
        make()
        outcome = trial.meddled(0)
        trial.fault(outcome, LOCAL, here=True)
        require(outcome.code, "exit 0, and the file cannot be there")


@kind(GROUP, "what is sent changes, or goes", weight=6)
def _source_changes(case: Case) -> None:
    """Either version may be sent, never a mix of both."""
    with trial_of(case, [Verb.SEND_FILE, Verb.SEND_DIR]) as (trial, port):
        path = case.pick(sorted(trial.content))
        file = trial.here / path
        old = trial.content[path]
        new = case.pick((old + b"more", old[: len(old) // 2], bytes(len(old)), None))
        done = []

        def change() -> None:
            done.append(1)
            with contextlib.suppress(OSError):
                if new is None:
                    file.unlink()
                elif case.chance(0.5):
                    file.write_bytes(new)
                else:
                    other = case.folder / "new"
                    other.write_bytes(new)
                    other.rename(file)

        trial.fickle[path] = {old} if new is None else {old, new, b""}  # empty for the moment of writing
        trial.optional = {path} if new is None else set()
        total = sum(map(len, trial.content.values())) + 3000
        fault = line.Fault("call", int(case.random.random() * total), up=case.chance(0.7), call=change)
        case.note(f"{path} becomes {'nothing' if new is None else len(new)} after {fault.after} bytes")
        with line.relay(port, fault) as relay:
            outcome = trial.meddled(relay.port)
        trial.fault(outcome, frozenset({Exit.DATAERR, Exit.NOINPUT, Exit.IOERR}), here=True, struck=done)
