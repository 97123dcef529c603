"""A worker's resources: the program, and a server of each kind. A scene is a connector with a server."""

import contextlib
import os
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from connectors.model import Verb
from tests.conformance.promises import Access, Case
from tests.servers import Missing, nginx, sshd, xnat
from tests.servers.http_case import HttpCase, JsonCase, MockCase
from tests.servers.ssh_case import FlatCase, SshCase
from tests.servers.xnat_case import XnatCase
from torture.program import Program

START: dict[str, Callable[[], contextlib.AbstractContextManager[Any]]] = {
    "nginx": nginx.start,
    "sshd": sshd.start,
    "sftp": lambda: sshd.start(sftp_only=True),
}


class Place:
    """``servers`` by name; ``missing`` gives the reason for each unavailable one."""

    def __init__(self, folder: Path, program: Program) -> None:
        self.folder = folder
        self.program = program
        self.servers: dict[str, Any] = {}
        self.missing: dict[str, str] = {}

    def has(self, names: Sequence[str]) -> bool:
        return all(name in self.servers for name in names)

    @contextlib.contextmanager
    def running(self) -> Iterator[None]:
        with contextlib.ExitStack() as stack:
            for name, start in START.items():
                try:
                    self.servers[name] = stack.enter_context(start())
                except Missing as error:
                    self.missing[name] = str(error)
            if os.getuid() == 0:
                self.servers["root"] = True
            key = self.folder / "host"
            with contextlib.suppress(Missing):
                sshd.make_key(key)
                self.servers["host key"] = key
            yield


class TlsCase(HttpCase):
    """HTTPS; the certificate is not checked, as it is not what is tested."""

    def access(self, verb: Verb, path: str, port: int = 0, host: str = "") -> Access:
        access = super().access(verb, path, port, host)
        del access["auth"]
        access["url"] = access["url"].replace("http:", "https:", 1)
        return {**access, "disableSSLVerification": True}


class PutCase(HttpCase):
    """A server with PUT but without WebDAV."""


class Scene(NamedTuple):
    """``needs`` is the server; ``safe``: the protocol detects damaged bytes."""

    name: str
    needs: Sequence[str]
    make: Callable[[Place, str], contextlib.AbstractContextManager[Case]]
    safe: bool = False
    without: Sequence[Verb] = ()


def _on(server: str, kind: Callable[[Any, str], Case]) -> Callable[[Place, str], Any]:
    return lambda place, folder: contextlib.nullcontext(kind(place.servers[server], folder))


@contextlib.contextmanager
def _xnat(place: Place, folder: str) -> Iterator[Case]:
    with xnat.start() as site:
        yield XnatCase(site, folder)


SCENES = [
    Scene("http", ["nginx"], _on("nginx", lambda web, name: HttpCase(web, web.basic, "BASIC", name))),
    Scene(
        "http, TLS",
        ["nginx"],
        _on("nginx", lambda web, name: TlsCase(web, web.tls, "BASIC", name)),
        safe=True,
    ),
    Scene(
        "http, PUT only",
        ["nginx"],
        _on("nginx", lambda web, name: PutCase(web, web.put, "BASIC", name)),
        without=[Verb.RECEIVE_DIR],
    ),
    Scene("http-json", ["nginx"], _on("nginx", lambda web, name: JsonCase(web, web.basic, "BASIC", name))),
    Scene(
        "http-mock-send", ["nginx"], _on("nginx", lambda web, name: MockCase(web, web.basic, "BASIC", name))
    ),
    Scene("ssh", ["sshd"], _on("sshd", SshCase), safe=True),
    Scene("ssh, SFTP only", ["sftp"], _on("sftp", FlatCase), safe=True),
    Scene("xnat-http", [], _xnat),
]
