"""Parses authentication challenges (WWW-Authenticate; RFC 9110, 11.6.1) and answers Digest ones."""

import os
import re
import threading
from collections.abc import Mapping
from urllib.parse import urlsplit

WORD = re.compile(r'([A-Za-z][\w-]*)\s*(?:=\s*("(?:[^"\\]|\\.)*"|[^\s,"]*))?')
SCHEMES = {name.lower(): name for name in ("Basic", "Digest", "Bearer", "Negotiate", "NTLM")}
HASHES = {"sha-512-256": "sha512_256", "sha-256": "sha256", "md5": "md5"}  # RFC 7616, 3.3; the best first


def challenges(text: str) -> list[tuple[str, dict[str, str]]]:
    """Each challenge in ``text``: its scheme, and its parameters by lower-case name."""
    found: list[tuple[str, dict[str, str]]] = []
    for name, value in WORD.findall(text):
        if not value:
            found.append((name.lower(), {}))
        elif found:
            plain = re.sub(r"\\(.)", r"\1", value[1:-1]) if value.startswith('"') else value
            found[-1][1][name.lower()] = plain
    return found


def schemes(text: str) -> list[str]:
    """The names of the known schemes in ``text``."""
    return list(dict.fromkeys(SCHEMES[name] for name, _ in challenges(text) if name in SCHEMES))


class Digest:
    """Digest authentication (RFC 7616) for a user name or realm that is not ASCII.

    libcurl handles all others, but percent-encodes such a name, which no server understands.
    """

    def __init__(self, username: str, password: str) -> None:
        self._username = username
        self._password = password
        self._lock = threading.Lock()
        self._challenge: Mapping[str, str] = {}
        self._count = 0

    @property
    def is_ready(self) -> bool:
        """Whether there is a challenge to answer."""
        return bool(self._challenge)

    def hears(self, text: str, *, refused: bool) -> bool:
        """Take the challenge of a 401. Returns whether to answer it.

        After a ``refused`` answer, only a challenge marked stale is answered again.
        """
        offered = [fields for name, fields in challenges(text) if name == "digest" and _is_known(fields)]
        if not offered or (refused and offered[0].get("stale", "").lower() != "true"):
            return False
        best = min(offered, key=lambda fields: list(HASHES).index(_algorithm(fields)))
        with self._lock:
            self._challenge, self._count = best, 0
        return True

    def answer(self, method: str, url: str) -> str:
        """The Authorization field for a request."""
        with self._lock:
            self._count += 1
            said, number = self._challenge, f"{self._count:08x}"
        import hashlib  # 9 ms: only for such names

        def digest(*parts: str) -> str:
            text = ":".join(parts).encode("utf-8", "surrogateescape")
            return hashlib.new(HASHES[_algorithm(said)], text, usedforsecurity=False).hexdigest()

        parts = urlsplit(url)
        uri = f"{parts.path or '/'}?{parts.query}" if parts.query else parts.path or "/"
        realm, nonce, own = said.get("realm", ""), said["nonce"], os.urandom(16).hex()
        secret = digest(self._username, realm, self._password)
        if said.get("algorithm", "").lower().endswith("-sess"):
            secret = digest(secret, nonce, own)
        counted = (number, own, "auth") if "qop" in said else ()
        hidden = said.get("userhash", "").lower() == "true"
        fields = {
            "username": digest(self._username, realm) if hidden else self._username,
            "realm": realm,
            "nonce": nonce,
            "uri": uri,
            "response": digest(secret, nonce, *counted, digest(method, uri)),
        }
        if "opaque" in said:
            fields["opaque"] = said["opaque"]
        text = ", ".join(f"{name}={_quoted(value)}" for name, value in fields.items())
        if counted:
            text += f", qop=auth, nc={number}, cnonce={_quoted(own)}"
        if "algorithm" in said:
            text += f", algorithm={said['algorithm']}"
        return f"Digest {text}{', userhash=true' if hidden else ''}"


def _algorithm(fields: Mapping[str, str]) -> str:
    return fields.get("algorithm", "MD5").lower().removesuffix("-sess")


def _is_known(fields: Mapping[str, str]) -> bool:
    qop = [one.strip().lower() for one in fields.get("qop", "auth").split(",")]
    return "nonce" in fields and _algorithm(fields) in HASHES and "auth" in qop


def _quoted(text: str) -> str:
    return '"' + re.sub(r'(["\\])', r"\\\1", text) + '"'
