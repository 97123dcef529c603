"""Concurrent transfers in one SSH session."""

import random
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from connectors.model import RECEIVE_DIR, RECEIVE_FILE, SEND_DIR, SEND_FILE, Promise, Verb
from connectors.settings import Settings
from connectors.ssh.login.ssh_session import Session
from connectors.ssh.ssh_remote import SshRemote
from connectors.transfer import engine
from connectors.transfer.job import Job
from connectors.transfer.progress import Progress
from connectors.transfer.receipt import Receipts
from tests.servers import sshd as servers
from tests.support import require
from tests.support.far import Far, Snapshot, build, snapshot

MIB = 1 << 20
BODY = random.Random(5).randbytes(MIB)


def move(session: Session, verb: Verb, path: str, local: Path) -> None:
    """One transfer in a session that may be shared."""
    job = Job(Settings(timeout=10, retries=0), Progress(), Receipts(""))
    engine.MOVES[verb](SshRemote(session, path, job), job, str(local), Promise())


def tree(files: int) -> Snapshot:
    return {b"%d/f%d" % (number % 7, number): BODY[number * 9 : number * 13] for number in range(files)} | {
        b"%d" % number: None for number in range(7)
    }


def moves_everything(session: Session, far: Far, here: Path, files: int = 40, size: int = 5 * MIB) -> None:
    """All four verbs concurrently in one session, with the right bytes."""
    large = (BODY * (size // MIB + 1))[:size]
    far.place("file", large)
    for path, content in tree(files).items():
        if content is not None:
            far.place(b"tree/" + path, content)
    build(here / "tree", tree(files))
    (here / "large").write_bytes(large)
    tasks: list[tuple[Verb, str, Path]] = [
        (RECEIVE_FILE, "file", here / "received"),
        (SEND_FILE, "sent", here / "large"),
        (RECEIVE_DIR, "tree", here / "received-tree"),
        (SEND_DIR, "sent-tree", here / "tree"),
    ]
    failures: list[BaseException] = []

    def work(verb: Verb, path: str, local: Path) -> None:
        try:
            move(session, verb, far.server.remote(f"{far.folder}/{path}"), local)
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=work, args=task, daemon=True) for task in tasks]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert not any(thread.is_alive() for thread in threads)
    assert failures == []
    assert (here / "received").read_bytes() == large == (far.root / "sent").read_bytes()
    assert snapshot(here / "received-tree") == tree(files) == snapshot(far.root / "sent-tree")


@contextmanager
def server(*options: str) -> Iterator[Far]:
    with require.running("sshd", lambda: servers.start(*options)) as sshd:
        yield Far(sshd, "folder")
