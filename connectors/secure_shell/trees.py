"""Many small files as one stream, where the server has a shell for it; see connectors.secure_shell.shell.

Both functions return the paths of those that they have dealt with, after they have given them; what is
left goes by SFTP.
"""

import os
import secrets
import stat
from collections.abc import Generator, Iterator, Sequence

from connectors.remote import Entry
from connectors.secure_shell import many, shell, wire
from connectors.secure_shell.session import Session
from connectors.secure_shell.sftp import Sftp
from connectors.secure_shell.walk import real_name
from connectors.secure_shell.wire import Status, string
from connectors.transfer.names import hidden_name
from connectors.transfer.small import Arrived, Leaving, Load
from connectors.transfer.tree import parents_first

Done = set[str]


def read(talk: Sftp, session: Session, root: str, files: Sequence[Entry]) -> Generator[Arrived, None, Done]:
    """Those of the ``files`` below ``root`` that tar delivers as they are known to be."""
    wanted = {os.fsencode(file.path): file for file in files if file.version}
    done = Done()
    if len(wanted) < shell.MANY:
        return done
    try:
        for name, content in shell.read(session, talk, real_name(talk, os.fsencode(root)), wanted):
            file = wanted.get(name)
            if file and file.version and file.size == len(content):
                yield Arrived(file, file.version, content)
                done.add(file.path)
    except shell.Unusable:  # in the end tar was not content: what it gave may be wrong, so all of it again
        done.clear()
    return done


def write(
    talk: Sftp, session: Session, root: str, files: Sequence[Entry], load: Load
) -> Generator[Leaving, None, Done]:
    """Those of the ``files`` whose outermost name is new in ``root``: together they appear, or not at all."""
    done = Done()
    if len(files) < shell.MANY:
        return done
    folder, prefix = root, ""
    there = _names_in(talk, root)
    if there is None:  # then the root itself is what is new
        folder, name = os.path.split(root)
        prefix, there = f"{name}/", set()
    new = [file for file in files if file.path.partition("/")[0] not in there]
    if len(new) < shell.MANY:
        return done
    left: list[Leaving] = []

    def members() -> Iterator[tuple[bytes, int, bytes | None]]:
        for path in parents_first({os.path.dirname(prefix + file.path) for file in new})[1:]:
            yield os.fsencode(path), 0o777, None
        for file in load(new):
            yield os.fsencode(prefix + file.entry.path), file.mode, file.content
            left.append(file._replace(content=b""))

    staging = hidden_name(f"tree.{secrets.token_hex(8)}", "part")
    try:
        real = real_name(talk, os.fsencode(folder or "."))
        here = wire.attributes(talk.ask(wire.STAT, string(real)))
        shell.write(session, talk, real, here, os.fsencode(staging), members())
    except (shell.Unusable, Status):
        return done
    for file in left:
        done.add(file.entry.path)
        yield file
    return done


def _names_in(talk: Sftp, root: str) -> set[str] | None:
    """What is in the folder; None if it is not there."""
    try:
        here = wire.attributes(talk.ask(wire.STAT, string(os.fsencode(root))))
    except Status as status:
        if status.status == wire.NO_SUCH_FILE:
            return None
        raise
    names = many.listings(talk, {"": string(os.fsencode(root))}) if stat.S_ISDIR(here.mode or 0) else None
    return {os.fsdecode(name) for name in (names or {}).get("", ())}
