"""Secrets are marked once and never shown: all output passes through ``redact``.

connectors.disguises lists the forms in which a secret is found.
"""

import re
from collections.abc import Iterable
from threading import Lock
from typing import TYPE_CHECKING

from connectors.pem import as_pem, is_pem

if TYPE_CHECKING:
    from connectors.disguises import Secret

MASK = "********"
SHORTEST = 4
"""Characters. Shorter secrets are masked only where they stand alone, and single characters never:
nobody keeps a secret in one, and a header ``DNT: 1`` must not blacken every 1."""

_TELLING = re.compile(r"token|key|sig|secret|pass|pwd|auth|cred|code|session|ticket", re.IGNORECASE)
_LONG_VALUE = 16

_lock = Lock()
"""Guards the two below: one thread may mark a secret while another writes a message."""

_forms: dict[str, "Secret | None"] = {}
"""Each secret and its forms. Compiled one by one, so that a new secret is cheap: every redirect to a signed
URL adds one."""

_words: set[str] = set()


def mark(value: str) -> None:
    """Never show ``value``, also with its blanks collapsed or removed; for keys and certificates, nor any of
    the longer lines."""
    value = value.strip("\r\n")
    if len(value.strip()) < 2:
        return
    found = [value]
    words = value.split()
    if not is_pem(value):  # as HTML pages and joined lines show it
        found += (text for text in (" ".join(words), "".join(words)) if len(text) >= SHORTEST)
    else:
        as_written = value.replace("\\n", "\n")
        lines = (line.strip() for line in f"{as_written}\n{as_pem(value)}".splitlines())
        found += (line for line in lines if len(line) >= 8 and not line.startswith("-----"))
    with _lock:
        for secret in found:
            _forms.setdefault(secret)


def mark_url(url: str) -> None:
    """Mark what is secret in ``url``: its password (or a user without one) and the tokens in its query."""
    given, query = login(url), url.partition("#")[0].partition("?")[2]
    if given is not None:
        user, colon, password = given.partition(":")
        _mark_both(password if colon else user)
        if colon and password:
            mark(_unquoted(user) + ":" + _unquoted(password))
    for pair in re.split("[&;]", query):
        name, _, value = pair.partition("=")
        if _TELLING.search(_unquoted(name)) or len(value) >= _LONG_VALUE:
            _mark_both(value)


def keep(words: Iterable[str]) -> None:
    """Keep ``words``, the vocabulary of the program's own messages, readable even if a secret equals one."""
    with _lock:
        _words.update(words)
        _forms.update(dict.fromkeys(_forms))


def forget() -> None:
    """Forget all secrets and words; for tests."""
    with _lock:
        _forms.clear()
        _words.clear()


def redact(text: str) -> str:
    """``text`` with every marked secret, in any of its forms, replaced by ``********``."""
    if not _forms:
        return text
    from connectors import disguises  # 1 ms, for the first message

    parts: list[str] = []
    at = 0
    for start, end in disguises.spans(text, _all_forms()):
        parts += (text[at:start], MASK)
        at = end
    return "".join((*parts, text[at:]))


def login(url: str) -> str | None:
    """The ``user:password`` before the host of ``url``, as written; None if there is none."""
    before, at, _ = _authority(url)[1].rpartition("@")
    return before if at else None


def shown_url(url: str) -> str:
    """``url`` for messages: without user, password and fragment, its query as ``?…``."""
    scheme, authority, path = _authority(url)
    path, mark_, _ = path.partition("#")[0].partition("?")
    return f"{scheme}{authority.rpartition('@')[2]}{path}{'?…' if mark_ else ''}"


def _authority(url: str) -> tuple[str, str, str]:
    """Scheme with ``://``, authority, and the rest of ``url``; never raises."""
    scheme, slashes, rest = url.partition("://")
    if not slashes:
        scheme, rest = "", url
    match = re.match(r"[^/?#]*", rest)
    end = match.end() if match else 0
    return scheme + slashes, rest[:end], rest[end:]


def _unquoted(text: str) -> str:
    from urllib.parse import unquote

    return unquote(text)


def _mark_both(text: str) -> None:
    mark(text)
    mark(_unquoted(text))
    mark(_unquoted(text.replace("+", " ")))


def _all_forms() -> "list[Secret]":
    with _lock:
        found = []
        for secret, known in _forms.items():
            forms = known or _compile(secret, _words)
            _forms[secret] = forms
            found.append(forms)
        return found


def _compile(secret: str, words: Iterable[str]) -> "Secret":
    from connectors import disguises

    alone = len(secret) < SHORTEST or any(secret in word for word in words)
    return disguises.secret(
        secret, shown=secret in words, alone=alone
    )  # "auth.********: required" helps nobody
