"""The HTTP connectors' cases for the conformance suite, with nginx and with Apache."""

from collections.abc import Callable
from typing import Any
from urllib.parse import quote, urlsplit

import pytest

from connectors.model import Verb
from tests.conformance.promises import MIB, Access, Case
from tests.servers import PASSWORD, USERNAME, Web


class HttpCase(Case):
    """red-connector-http at ``base``, a WebDAV server with a password."""

    executable = "red-connector-http"

    def __init__(self, server: Any, base: str, method: str, folder: str) -> None:
        self.server: Any = server
        self.base = base
        self.method = method
        self.folder = folder
        self.port = urlsplit(base).port or 80
        self.make_dir("")

    def access(self, verb: Verb, path: str, port: int = 0, host: str = "") -> Access:
        place = f"http://{host or '127.0.0.1'}:{port or self.port}"
        access: Access = {"url": f"{place}/{quote(f'{self.folder}/{path}')}"}
        if verb is Verb.SEND_FILE:
            access["method"] = "PUT"
        return access | {"auth": {"username": USERNAME, "password": PASSWORD, "method": self.method}}

    def place(self, path: str, content: bytes) -> None:
        server: Web = self.server
        server.place(f"{self.folder}/{path}", content)

    def make_dir(self, path: str) -> None:
        server: Web = self.server
        server.folder(server.root / self.folder / path)

    def tree(self, path: str) -> dict[str, bytes]:
        root = self.server.root / self.folder / path
        files = [one for one in root.rglob("*") if one.is_file() and ".DAV" not in one.parts]
        return {str(one.relative_to(root)): one.read_bytes() for one in files}

    def refusals(self, path: str) -> int:
        seen = self.server.requests(f"/{self.folder}/{path}")
        return sum(one.status == 401 and "authorization" in one.headers for one in seen)


class JsonCase(HttpCase):
    """http-json moves only JSON: a string of the given length."""

    executable = "red-connector-http-json"
    sizes = (1, 4096, 5 * MIB)

    def payload(self, size: int, seed: int = 0) -> bytes:
        if size < 3:
            return str((seed + 1) * 10 ** (size - 1)).encode()[:size]
        return b'"' + super().payload(size, seed).hex().encode()[: size - 2] + b'"'


class MockCase(HttpCase):
    """http-mock-send receives like http and sends nothing."""

    executable = "red-connector-http-mock-send"
    stores = False


def nginx(kind: type[HttpCase]) -> Callable[[pytest.FixtureRequest, str], HttpCase]:
    """Returns a factory for cases with nginx and Basic authentication."""

    def make(request: pytest.FixtureRequest, folder: str) -> HttpCase:
        web = request.getfixturevalue("web")
        return kind(web, web.basic, "BASIC", folder)

    return make


def apache(kind: type[HttpCase]) -> Callable[[pytest.FixtureRequest, str], HttpCase]:
    """Returns a factory for cases with Apache and Digest authentication."""

    def make(request: pytest.FixtureRequest, folder: str) -> HttpCase:
        httpd = request.getfixturevalue("httpd")
        case = kind(httpd, httpd.digest, "DIGEST", folder)
        case.deepest = 200  # each level takes longer than the one before
        return case

    return make
