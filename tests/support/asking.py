"""Raw single requests to a server: no redirects, no cookies, no quoting."""

import base64
import http.client
import json
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple
from urllib.parse import urlsplit


class Reply(NamedTuple):
    """The response; header names are in lower case."""

    status: int
    headers: dict[str, str]
    body: bytes
    cookies: tuple[str, ...]

    @property
    def session(self) -> str:
        """The session cookie that was set, or ""."""
        found = (one.split(";")[0][11:] for one in self.cookies if one.startswith("JSESSIONID="))
        return next(found, "")

    @property
    def rows(self) -> list[dict[str, str]]:
        """The rows of an XNAT list."""
        rows: list[dict[str, str]] = json.loads(self.body)["ResultSet"]["Result"]
        return rows


def basic(user: str, password: str) -> str:
    return "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()


class Asker:
    """Sends requests to ``url``, with credentials and cookie if given."""

    def __init__(self, url: str, user: str = "", password: str = "", cookie: str = "") -> None:
        parted = urlsplit(url)
        self._host, self._port, self._context = parted.hostname or "", parted.port, parted.path
        self._headers = {"Authorization": basic(user, password)} if user else {}
        if cookie:
            self._headers["Cookie"] = f"JSESSIONID={cookie}"

    def __call__(
        self,
        method: str,
        path: str,
        body: bytes | Iterable[bytes] | None = None,
        headers: Mapping[str, str] | None = None,
        **more: Any,
    ) -> Reply:
        connection = http.client.HTTPConnection(self._host, self._port, timeout=20)
        try:
            everything = {**self._headers, **(headers or {})}
            connection.request(method, self._context + path, body, everything, **more)
            response = connection.getresponse()
            content = response.read()
        finally:
            connection.close()
        fields = {name.lower(): value for name, value in response.getheaders()}
        cookies = tuple(response.headers.get_all("Set-Cookie") or ())
        return Reply(response.status, fields, content, cookies)
