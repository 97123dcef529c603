"""``python -m bench.without TRICK on|off EXECUTABLE ARGUMENT …``: a connector with a speed trick on or off.

Both import the same modules beforehand, so that only the trick differs.
"""

import gc
import importlib
import sys
from collections.abc import Callable, Generator
from typing import Any

NEVER = 1 << 60


def _plain_imports(off: bool) -> None:
    from connectors import imports

    if off:
        imports._import = lambda package, _: importlib.import_module(package)


def _plain_packets(off: bool) -> None:
    from connectors.ssh.transport import fast_packets

    if off:
        fast_packets.ENABLED = False


def _one_request_at_a_time(off: bool) -> None:
    from connectors.ssh.sftp import large_file, small_files

    if off:
        small_files.UNDER_WAY = large_file.AHEAD = 1


def _no_shell_for_receiving(off: bool) -> None:
    from connectors.ssh.sftp import walk
    from connectors.ssh.shell import tar_transfer

    def nothing(*_: object) -> Generator[Any, None, set[str]]:
        yield from ()
        return set()

    if off:
        walk.FEW = NEVER
        tar_transfer.read = nothing


def _no_shell_for_sending(off: bool) -> None:
    from connectors.ssh.shell import tar_transfer

    def nothing(*_: object) -> Generator[Any, None, set[str]]:
        yield from ()
        return set()

    if off:
        tar_transfer.write = nothing


def _one_by_one_over_ssh(off: bool) -> None:
    from connectors.ssh.ssh_remote import SshRemote

    if off:
        SshRemote.many = None  # type: ignore[assignment, method-assign]


def _one_by_one_to_xnat(off: bool) -> None:
    from connectors.xnat.xnat_remote import XnatRemote

    if off:
        XnatRemote.many = None  # type: ignore[assignment, method-assign]


def _new_connection_each_time(off: bool) -> None:
    from connectors.http.transport.client import Client
    from connectors.http.transport.curl import pycurl

    usual = Client._prepare

    def prepare(self: Client, line: Any, task: Any, url: str) -> None:
        usual(self, line, task, url)
        line.handle.setopt(pycurl.FRESH_CONNECT, 1)
        line.handle.setopt(pycurl.FORBID_REUSE, 1)

    if off:
        Client._prepare = prepare  # type: ignore[method-assign]


TRICKS: dict[str, Callable[[bool], None]] = {
    "imports": _plain_imports,
    "packets": _plain_packets,
    "pipelining": _one_request_at_a_time,
    "shell-receiving": _no_shell_for_receiving,
    "shell-sending": _no_shell_for_sending,
    "together-ssh": _one_by_one_over_ssh,
    "together-xnat": _one_by_one_to_xnat,
    "reuse": _new_connection_each_time,
}


def main() -> None:
    gc.disable()  # as connectors.__main__ does
    from connectors import cli
    from connectors.__main__ import leave

    trick, state, *words = sys.argv[1:]
    TRICKS[trick](state == "off")
    leave(cli.main(words))


if __name__ == "__main__":
    main()
