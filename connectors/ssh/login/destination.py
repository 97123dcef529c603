"""The destination in an access document: a server, perhaps behind a jump host, and a path on it."""

from collections.abc import Mapping
from typing import Any, NamedTuple


class Login(NamedTuple):
    """A user with a password or a private key (PEM text or a file's path); "" if there is none."""

    username: str
    password: str = ""
    private_key: str = ""
    passphrase: str = ""


class Server(NamedTuple):
    """``host`` is a name or an address without brackets. ``host_key`` is the one the document requires:
    ``SHA256:…`` or a public key line; "" if none."""

    host: str
    port: int
    login: Login
    host_key: str = ""


class Place(NamedTuple):
    """``path`` is absolute or relative to the log-in directory, "" for that directory itself.

    The time limits are in seconds; None if the document has none, and RED_TIMEOUT applies.
    """

    server: Server
    path: str
    jump: Server | None = None
    timeout: float | None = None
    auth_timeout: float | None = None
    banner_timeout: float | None = None
    ciphers: tuple[str, ...] = ()
    writable: bool = False
    """Whether a mount of it is writable."""


def of(access: Mapping[str, Any]) -> Place:
    """The place that ``access`` (validated, of either generation) names."""
    path = access.get("filePath") or access.get("dirPath") or access.get("dirName") or ""
    if "fileName" in access:
        path = f"{access['fileDir'].rstrip('/')}/{access['fileName']}"
    return Place(
        server=_server(access),
        path=_relative_to_login(path),
        jump=_server(access["jump"]) if access.get("jump") else None,
        timeout=access.get("timeout"),
        auth_timeout=access.get("authTimeout"),
        banner_timeout=access.get("bannerTimeout"),
        ciphers=tuple(access["ciphers"].split(",")) if access.get("ciphers") else (),
        writable=access.get("writable", False),
    )


def _server(access: Mapping[str, Any]) -> Server:
    auth = access.get("auth") or access
    login = Login(
        auth["username"], auth.get("password", ""), auth.get("privateKey", ""), auth.get("passphrase", "")
    )
    return Server(access["host"].strip("[]"), access["port"], login, access.get("hostKey", ""))


def _relative_to_login(path: str) -> str:
    """Turn ``~/x`` into ``x``, as a shell would: SFTP does not expand it."""
    return path[2:].lstrip("/") if path.startswith("~/") else "" if path == "~" else path
