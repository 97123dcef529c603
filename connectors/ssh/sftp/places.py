"""Places on the server, each a whole remote path: what is there, and making what is to be written."""

import os
import stat
from contextlib import suppress

from connectors.errors import CannotCreate, NotFound, TemporaryFailure
from connectors.local.names import LONGEST_STEM, hidden_name
from connectors.ssh.sftp import wire
from connectors.ssh.sftp.conversation import Sftp
from connectors.ssh.sftp.wire import Attributes, Status, string

FOR_ALL_TO_READ = 0o444  # a file of this mode is no secret: the server may give it another one


def encoded(place: str) -> bytes:
    """``place`` as a string of SFTP."""
    return string(os.fsencode(place))


def named(sftp: Sftp, place: str) -> str:
    """How to name ``place`` to people."""
    return f"{sftp.host}:{place or '.'}"


def find(sftp: Sftp, place: str, how: int = wire.STAT) -> Attributes | None:
    """Of what is at ``place``; None if there is nothing. Links are followed, but by wire.LSTAT."""
    try:
        return wire.attributes(sftp.ask(how, encoded(place)))
    except Status as status:
        if status.status == wire.NO_SUCH_FILE:
            return None
        raise


def nearest(sftp: Sftp, place: str) -> tuple[str, Attributes]:
    """``place``, or the nearest above it that is there; CannotCreate if a link on the way leads nowhere."""
    while (here := find(sftp, place or ".")) is None:
        _check_no_link(sftp, place or ".")
        place = _above(place)
    return place, here


def make_folder(sftp: Sftp, folder: str) -> None:
    """Make the folder and those that it is in, where they are missing."""
    missing = []
    while (here := find(sftp, folder or ".")) is None:
        missing.append(folder)
        folder = _above(folder)
    if not stat.S_ISDIR(here.mode or stat.S_IFDIR):
        raise CannotCreate(f"cannot make {named(sftp, folder)}: something else already has that name")
    for folder in reversed(missing):
        try:
            sftp.ask(wire.MKDIR, encoded(folder), wire.NO_ATTRIBUTES)
        except Status:
            if find(sftp, folder) is None:  # otherwise another process was faster
                _check_no_link(sftp, folder)
                raise


def create(sftp: Sftp, place: str, mode: int) -> bytes:
    """A handle of the new file. Its folder is made if missing, what an ended send has left is removed.

    Why a server refused is looked at, not believed: each says it in another way. What is not mended is
    refused again.
    """
    request = (wire.OPEN, encoded(place), wire.FOR_REPLACING, wire.with_mode(mode))
    with suppress(Status):
        return sftp.ask(*request)
    if find(sftp, place):  # ProFTPD opens nothing for writing that is there, unless told to
        sftp.remove([encoded(place)])
    else:
        make_folder(sftp, os.path.dirname(place))
    try:
        return sftp.ask(*request)
    except Status:  # ProFTPD makes the file, and then may refuse its mode
        sftp.remove([encoded(place)])
        if mode & FOR_ALL_TO_READ != FOR_ALL_TO_READ:
            raise
    return sftp.ask(wire.OPEN, encoded(place), wire.FOR_REPLACING, wire.NO_ATTRIBUTES)


def set_mode(sftp: Sftp, handle: bytes, mode: int) -> None:
    """Where the server allows it: the file has that mode from the beginning, perhaps less the umask."""
    try:
        sftp.ask(wire.FSETSTAT, handle, wire.with_mode(mode))
    except Status as status:
        if status.status not in wire.REFUSALS:
            raise


def rename(sftp: Sftp, staging: str, target: str) -> None:
    """``staging`` takes the place of ``target``; TemporaryFailure if it is not there any more."""
    folder, name = os.path.split(target)
    aside = os.path.join(folder, hidden_name(f"{name[:LONGEST_STEM]}.old", "part"))
    try:
        sftp.rename(encoded(staging), encoded(target), encoded(aside))
    except Status as status:
        if status.status != wire.NO_SUCH_FILE:
            raise
        raise TemporaryFailure(f"{named(sftp, staging)}: it was removed during the transfer") from None


def _check_no_link(sftp: Sftp, folder: str) -> None:
    """CannotCreate if it is a link, which does not lead to any folder that is there."""
    if find(sftp, folder, wire.LSTAT):
        raise CannotCreate(f"cannot make {named(sftp, folder)}: it is a link that leads nowhere")


def _above(place: str) -> str:
    """The folder that ``place`` is in; NotFound where there is none above it."""
    above = os.path.dirname(place)
    if above == place:
        raise NotFound(f"the server has no directory {place or '.'}")
    return above
