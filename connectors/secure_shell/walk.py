"""A directory tree on an SSH server, links followed only as far as they stay inside it."""

import os
import stat
from collections.abc import Iterator
from typing import NamedTuple

from connectors.errors import DataError, NotFound, ProtocolViolation, RedError, SeveralFailures
from connectors.secure_shell import many, sftp
from connectors.secure_shell.sftp import Attributes, Flow, Sftp, string

DEEPEST = 200  # directories inside each other; a server that shows more leads us in a circle


class _Folder(NamedTuple):
    path: str
    ancestors: tuple[bytes, ...]
    """The real names of the tree's root and of all folders on the way, this one included."""


def walk(talk: Sftp, root: bytes, place: str) -> Iterator[tuple[str, Attributes]]:
    """All files and directories below ``root``, parents before children: path and attributes.

    A link that leads out of it, back to a folder that it is in, or nowhere, and what is neither file nor
    directory: one error reports all of them, before anything is told. ``place`` names the root to people.
    """
    real = _real_name(talk.ask(sftp.REALPATH, string(root)))
    failures: list[RedError] = []
    found: list[tuple[str, Attributes]] = []
    level = [_Folder("", (real,))]
    while level:
        if level[0].path.count("/") > DEEPEST:
            raise ProtocolViolation(f"{place}: more than {DEEPEST} directories inside each other")
        listings = many.listings(talk, {one: string(_join(root, one.path)) for one in level})
        below: list[_Folder] = []
        links: dict[str, _Folder] = {}
        for folder in level:
            if folder not in listings:
                failures.append(NotFound(f"{place}/{folder.path}: this directory cannot be read"))
                continue
            for name, here in listings[folder].items():
                if name in (b".", b".."):
                    continue
                path = f"{folder.path}/{os.fsdecode(name)}" if folder.path else os.fsdecode(name)
                kind = stat.S_IFMT(here.mode or 0)
                if kind == stat.S_IFDIR:
                    found.append((path, here))
                    below.append(_Folder(path, (*folder.ancestors, os.path.join(folder.ancestors[-1], name))))
                elif kind == stat.S_IFREG:
                    found.append((path, here))
                elif kind in (stat.S_IFLNK, 0):
                    links[path] = folder
                else:
                    failures.append(DataError(f"{place}/{path} is neither a file nor a directory"))
        for path, outcome in _followed(talk, root, place, links):
            if isinstance(outcome, RedError):
                failures.append(outcome)
                continue
            here, real_name = outcome
            found.append((path, here))
            if stat.S_ISDIR(here.mode or 0):
                below.append(_Folder(path, (*links[path].ancestors, real_name)))
        level = below
    if failures:
        raise SeveralFailures(f"{place}: {len(failures)} of its entries cannot be received", failures)
    yield from found


def _followed(
    talk: Sftp, root: bytes, place: str, links: dict[str, _Folder]
) -> Iterator[tuple[str, RedError | tuple[Attributes, bytes]]]:
    """What each of the links leads to, attributes and real name, or why it cannot be followed."""
    flow = Flow(talk)
    for path in links:
        name = string(_join(root, path))
        flow.ask((path, sftp.REALPATH), sftp.REALPATH, name)
        flow.ask((path, sftp.STAT), sftp.STAT, name)
    flow.flush()
    answers: dict[tuple[str, int], tuple[int, bytes]] = {}
    while flow.pending:
        tag, kind, payload = flow.next()
        answers[tag] = kind, payload
    for path, folder in links.items():
        kind, payload = answers[path, sftp.STAT]
        resolved, name = answers[path, sftp.REALPATH]
        if kind != sftp.ATTRS or resolved != sftp.NAME:
            yield path, NotFound(f"{place}/{path} is a link that leads nowhere")
            continue
        here, real = sftp.attributes(payload), _real_name(name)
        tree = folder.ancestors[0].rstrip(b"/") + b"/"
        if not (real + b"/").startswith(tree):
            yield path, DataError(f"{place}/{path} is a link that leads out of the directory")
        elif real in folder.ancestors:
            yield path, DataError(f"{place}/{path} is a link to a folder that it is in")
        elif not (stat.S_ISDIR(here.mode or 0) or stat.S_ISREG(here.mode or 0)):
            yield path, DataError(f"{place}/{path} is neither a file nor a directory")
        else:
            yield path, (here, real)


def _join(root: bytes, path: str) -> bytes:
    return os.path.join(root, os.fsencode(path)) if path else root


def _real_name(payload: bytes) -> bytes:
    return next(sftp.names(payload))[0]
