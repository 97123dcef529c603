"""``python -m bench.without TRICK on|off EXECUTABLE ARGUMENT …``: a connector with a speed trick on or off.

Both import the same modules beforehand, so that only the trick differs.
"""

import gc
import importlib
import sys
from collections.abc import Callable, Generator
from typing import Any

NEVER = 1 << 60


def _replace(owner: Any, **values: object) -> None:
    """Set attributes of a module or class; AttributeError if one is gone, as a trick off would stay on."""
    for name, value in values.items():
        getattr(owner, name)
        setattr(owner, name, value)


def _nothing(*_: object) -> Generator[Any, None, set[str]]:
    """Files of which none is transferred through the shell."""
    yield from ()
    return set()


def _plain_imports(off: bool) -> None:
    from connectors import imports

    if off:
        _replace(imports, _import=lambda package, _: importlib.import_module(package))


def _plain_packets(off: bool) -> None:
    from connectors.ssh.transport import fast_packets

    if off:
        _replace(fast_packets, ENABLED=False)


def _one_request_at_a_time(off: bool) -> None:
    from connectors.ssh.sftp import large_file, small_files

    if off:
        _replace(small_files, UNDER_WAY=1)
        _replace(large_file, AHEAD=1)


def _no_shell_for_receiving(off: bool) -> None:
    from connectors.ssh.sftp import walk
    from connectors.ssh.shell import tar_transfer

    if off:
        _replace(walk, FEW=NEVER)
        _replace(tar_transfer, read=_nothing)


def _no_shell_for_sending(off: bool) -> None:
    from connectors.ssh.shell import tar_transfer

    if off:
        _replace(tar_transfer, write=_nothing)


def _one_by_one_over_ssh(off: bool) -> None:
    from connectors.ssh.ssh_remote import SshRemote

    if off:
        _replace(SshRemote, many=None)


def _one_by_one_to_xnat(off: bool) -> None:
    from connectors.xnat.xnat_remote import XnatRemote

    if off:
        _replace(XnatRemote, many=None)


def _new_connection_each_time(off: bool) -> None:
    from connectors.http.transport.client import Client
    from connectors.http.transport.curl import pycurl

    usual = Client._prepare

    def prepare(self: Client, line: Any, task: Any, url: str) -> None:
        usual(self, line, task, url)
        line.handle.setopt(pycurl.FRESH_CONNECT, 1)
        line.handle.setopt(pycurl.FORBID_REUSE, 1)

    if off:
        _replace(Client, _prepare=prepare)


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
