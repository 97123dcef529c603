"""Checks a server's host key before any password or signature is sent.

In this order: a key that the file of RED_KNOWN_HOSTS (sshd(8), SSH_KNOWN_HOSTS FILE FORMAT) marks
``@revoked`` is never accepted; ``hostKey`` of the access document, if there is one, must match; if the file
has keys of the host, one of them must match as well. If it has none, ``hostKey`` is enough; without it the
host is refused. With neither hostKey nor file, the first key is accepted with a warning, or refused if
RED_STRICT_HOST_KEYS is set.
"""

import base64
import binascii
import hashlib
import hmac
import re
from collections.abc import Iterator, Sequence
from fnmatch import translate
from typing import TYPE_CHECKING, NamedTuple

from connectors import log
from connectors.errors import ConfigError, Fault, ProtocolViolation
from connectors.settings import Settings
from connectors.ssh.login.destination import Server
from connectors.ssh.login.keys import ssh_strings
from connectors.ssh.ssh_rules import public_key

if TYPE_CHECKING:
    import paramiko

SSH_PORT = 22
HASHED = re.compile(r"\|1\|[A-Za-z0-9+/]{27}=\|[A-Za-z0-9+/]{27}=")  # salt and digest of 20 bytes
REVOKED, AUTHORITY = "@revoked", "@cert-authority"
OLD = "if the server's key was changed on purpose, replace the known key: "


class Refused(ProtocolViolation):
    """The server's key is not in the known_hosts file, or is revoked there."""


class AnotherKey(ProtocolViolation):
    """The server's key has the wrong fingerprint; it may have another key of the right type."""

    def __init__(self, message: str, *, hint: str, kind: str) -> None:
        super().__init__(message, hint=hint)
        self.kind = kind


class Known(NamedTuple):
    """A line of a known_hosts file: the hosts (patterns, or one hashed name), and the key."""

    hosts: str
    key: bytes
    marker: str = ""

    def is_about(self, name: str) -> bool:
        """Whether it applies to ``name``: a host, or ``[host]:port``."""
        if self.hosts.startswith("|1|"):
            _, _, salt, digest = self.hosts.split("|")
            given = hmac.digest(base64.b64decode(salt), name.encode(), "sha1")
            return hmac.compare_digest(given, base64.b64decode(digest))
        found = False
        for pattern in self.hosts.lower().split(","):
            if _matches(pattern.removeprefix("!"), name):
                if pattern.startswith("!"):
                    return False
                found = True
        return found


class HostKeys:
    """The known host keys. One object serves one session, in which a server's key must not change."""

    def __init__(self, settings: Settings) -> None:
        self._path = settings.known_hosts
        self._strict = settings.strict_host_keys
        self._known = list(read(self._path)) if self._path else []
        self._accepted: dict[str, bytes] = {}

    def kinds(self, server: Server) -> list[str]:
        """The types of its known keys: ask for these, since a server may have several."""
        if key := public_key(server.host_key):
            return [kind_of(key)]
        keys = [line.key for line in self._lines(server) if not line.marker]
        named = [key for key in keys if fingerprint(key) == server.host_key]
        return [kind_of(key) for key in named or keys]

    def check(self, server: Server, key: "paramiko.PKey", title: str = "") -> None:
        """ProtocolViolation unless ``key`` is the key of ``server``, or none is known and that is allowed.

        ``title`` is the server's name in messages, if not its host name.
        """
        shown = key.asbytes()
        title = title or name_of(server)
        lines = self._lines(server)
        if any(line.key == shown for line in lines if line.marker == REVOKED):
            raise Refused(
                f"{title}: its host key {_shown(shown)} is revoked in {self._path}",
                hint="someone else may have that key: ask the server's administrator for a new one",
            )
        keys = [line.key for line in lines if not line.marker]
        if server.host_key:
            self._compare(title, server.host_key, shown)
        if keys:
            self._look_up(title, name_of(server), keys, shown)
        elif server.host_key:
            return
        elif self._path:
            raise self._unknown(title, name_of(server), lines, shown)
        else:
            self._trust_at_first(title, shown)

    def _compare(self, title: str, wanted: str, shown: bytes) -> None:
        key = public_key(wanted)
        if shown == key or wanted.strip() == fingerprint(shown):
            return
        message = f"{title}: its host key is {_shown(shown)}, and hostKey is {_shown(key) if key else wanted}"
        hint = f'{OLD}hostKey: "{fingerprint(shown)}"; otherwise someone may be intercepting the connection'
        if key:
            raise ProtocolViolation(message, hint=hint)
        raise AnotherKey(message, hint=hint, kind=kind_of(shown))

    def _look_up(self, title: str, name: str, keys: Sequence[bytes], shown: bytes) -> None:
        if shown not in keys:
            expected = " or ".join(_shown(key) for key in keys)
            raise Refused(
                f"{title}: its host key is {_shown(shown)}, and {self._path} has {expected}",
                hint=f"{OLD}{_line(name, shown)}; otherwise someone may be intercepting the connection",
            )

    def _unknown(self, title: str, name: str, lines: Sequence[Known], shown: bytes) -> ProtocolViolation:
        why = f"{self._path} has no key for this host"
        if any(line.marker == AUTHORITY for line in lines):
            why = f"{self._path} has only an {AUTHORITY} for this host, and certificates are not checked here"
        return ProtocolViolation(
            f"{title}: unknown host key {_shown(shown)}: {why}",
            hint=f"if it is the right one, add this line: {_line(name, shown)}",
        )

    def _trust_at_first(self, title: str, shown: bytes) -> None:
        line = f'hostKey: "{fingerprint(shown)}"'
        if self._strict:
            raise ProtocolViolation(
                f"{title}: unknown host key {_shown(shown)}, and RED_STRICT_HOST_KEYS is set",
                hint=f"if it is the right one, put it into the access document: {line}",
            )
        if title not in self._accepted:
            log.warning(
                f"{title}: host key accepted without a check; to have it checked, add to the document: {line}"
            )
        elif self._accepted[title] != shown:
            raise ProtocolViolation(
                f"{title}: its host key was {_shown(self._accepted[title])} and now is {_shown(shown)}",
                hint="someone may be intercepting the connection: put the right key into hostKey",
            )
        self._accepted[title] = shown

    def _lines(self, server: Server) -> list[Known]:
        name = name_of(server)
        return [line for line in self._known if line.is_about(name)]


def read(path: str) -> Iterator[Known]:
    """The lines of a known_hosts file; warns of each invalid one. ConfigError if it cannot be read."""
    try:
        with open(path, "rb") as file:
            lines = file.read().decode("utf-8", "replace").split("\n")
    except OSError as error:
        raise ConfigError([Fault("RED_KNOWN_HOSTS", f"{path} cannot be read: {error.strerror}")]) from None
    for number, text in enumerate(lines, 1):
        words = text.split()
        if not words or words[0].startswith("#"):
            continue
        known = _parsed(words)
        if known:
            yield known
        else:
            log.warning(f"{path}:{number}: not a line of a known_hosts file, ignored")


def _parsed(words: list[str]) -> Known | None:
    marker = words.pop(0) if words[0].startswith("@") else ""
    if marker not in ("", REVOKED, AUTHORITY) or len(words) < 3:
        return None
    hosts, kind, encoded = words[:3]
    if hosts.startswith("|") and not HASHED.fullmatch(hosts):
        return None
    key = _decoded(encoded)
    return Known(hosts, key, marker) if key and kind_of(key) == kind else None


def name_of(server: Server) -> str:
    """The server's name in known_hosts files: ``host``, or ``[host]:port`` if the port is not 22."""
    host = server.host.lower()
    return host if server.port == SSH_PORT else f"[{host}]:{server.port}"


def fingerprint(key: bytes) -> str:
    """The SHA256 fingerprint, as ssh-keygen prints it."""
    return "SHA256:" + base64.b64encode(hashlib.sha256(key).digest()).decode().rstrip("=")


def kind_of(key: bytes) -> str:
    """The key type from its first string; "" if it is not a key."""
    parts = ssh_strings(key, 1)
    return parts[0].decode("ascii", "replace") if parts else ""


def algorithms(kinds: Sequence[str], all_of_them: Sequence[str]) -> tuple[str, ...]:
    """``all_of_them``, with those for keys of the ``kinds`` first."""
    wanted = [one for one in all_of_them if kind_of_algorithm(one) in kinds]
    return (*wanted, *(one for one in all_of_them if one not in wanted))


def kind_of_algorithm(algorithm: str) -> str:
    """The key type of a signature algorithm: RSA keys have two algorithms."""
    return "ssh-rsa" if algorithm.startswith("rsa-") else algorithm


def _line(name: str, key: bytes) -> str:
    """A line for a known_hosts file."""
    return f"{name} {kind_of(key)} {base64.b64encode(key).decode()}"


def _shown(key: bytes) -> str:
    return f"{kind_of(key)} {fingerprint(key)}"


def _decoded(text: str) -> bytes | None:
    try:
        return binascii.a2b_base64(text, strict_mode=True)
    except ValueError:
        return None


def _matches(pattern: str, name: str) -> bool:
    """Only ``*`` and ``?`` are special; brackets belong to ``[host]:port``."""
    return bool(re.match(translate(pattern.replace("[", "[[]")), name))
