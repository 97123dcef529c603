"""Secrets are marked once and never shown: everything that leaves the process passes ``redact``.

A secret is found as it is, URL-encoded, escaped as in JSON or a Python literal, and in base64, also in
the middle of longer base64 text (``user:password``).
"""

import re
from collections.abc import Iterable
from threading import Lock

from connectors.access.pem import as_pem, is_pem

MASK = "********"
SHORTEST = 4
"""Characters. Shorter secrets are masked only where they stand alone, and single characters never:
nobody keeps a secret in one, and a header ``DNT: 1`` must not blacken every 1."""

LONGEST_BASE64 = 96
"""Bytes of a secret that are looked for in base64; what follows in the same base64 text goes with them."""

_ESCAPES = {"\n": "n", "\r": "r", "\t": "t", "\b": "b", "\f": "f"}
_TELLING = re.compile(r"token|key|sig|secret|pass|pwd|auth|cred|code|session|ticket", re.IGNORECASE)
_LONG_VALUE = 16

_lock = Lock()
"""Held to read or change the two below: any thread may mark, and any other be writing a message."""

_patterns: dict[str, re.Pattern[str] | None] = {}
"""Each secret, and what finds it. One by one, so that a new secret costs no more than itself: there is
one in every redirect to a signed URL."""

_words: set[str] = set()


def mark(value: str) -> None:
    """From now on ``value`` is shown nowhere, also with its blanks collapsed or left out; each of its longer
    lines (keys, certificates) neither."""
    value = value.strip("\r\n")
    if len(value.strip()) < 2:
        return
    found = [value]
    words = value.split()
    if not is_pem(value):  # as pages of HTML, and who looks for a broken line in them, put it
        found += (text for text in (" ".join(words), "".join(words)) if len(text) >= SHORTEST)
    else:
        as_written = value.replace("\\n", "\n")
        lines = (line.strip() for line in f"{as_written}\n{as_pem(value)}".splitlines())
        found += (line for line in lines if len(line) >= 8 and not line.startswith("-----"))
    with _lock:
        for secret in found:
            _patterns.setdefault(secret)


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
    """The vocabulary of the program's own messages: stays readable even where a secret is the same word."""
    with _lock:
        _words.update(words)
        _patterns.update(dict.fromkeys(_patterns))


def forget() -> None:
    """Forget all secrets and words; for tests."""
    with _lock:
        _patterns.clear()
        _words.clear()


def redact(text: str) -> str:
    """``text`` with every marked secret, in any of its forms, replaced by ``********``."""
    for pattern in _all_patterns():
        text = pattern.sub(MASK, text)
    return text


def login(url: str) -> str | None:
    """What stands before the ``@`` of ``url``'s host: ``user:password`` as it is written; None if nothing."""
    before, at, _ = _authority(url)[1].rpartition("@")
    return before if at else None


def shown_url(url: str) -> str:
    """``url`` as it may be shown: without user, password and fragment, its query as ``?…``."""
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


def _all_patterns() -> list[re.Pattern[str]]:
    """What finds the secrets, the longest first, for a shorter one may be a part of it."""
    with _lock:
        patterns = []
        for secret in sorted(_patterns, key=lambda text: (-len(text), text)):
            pattern = _patterns[secret] or _compile(secret, _words)
            _patterns[secret] = pattern
            patterns.append(pattern)
        return patterns


def _compile(secret: str, words: Iterable[str]) -> re.Pattern[str]:
    alternatives = _base64_forms(secret)
    if secret not in words:  # "auth.********: required" would help nobody
        plain = "".join(map(_any_form, secret))
        alone = len(secret) < SHORTEST or any(secret in word for word in words)
        alternatives.append(rf"(?<!\w){plain}(?!\w)" if alone else plain)
    return re.compile("|".join(alternatives) or r"(?!)")


def _any_form(char: str) -> str:
    """A pattern for one character of a secret: percent-encoded (twice, too), escaped, or itself."""
    if char.isascii() and char.isalnum():
        return char
    octets = char.encode("utf-8", "surrogatepass")
    forms = ["".join(f"%(?:25)*(?i:{octet:02x})" for octet in octets)]
    forms.append("".join(rf"\\x(?i:{octet:02x})" for octet in octets))
    code = ord(char)
    if code <= 0xFF:
        forms.append(rf"\\x(?i:{code:02x})")
    if code <= 0xFFFF:
        forms.append(rf"\\u(?i:{code:04x})")
    else:
        high, low = 0xD800 + ((code - 0x10000) >> 10), 0xDC00 + ((code - 0x10000) & 0x3FF)
        forms.append(rf"\\u(?i:{high:04x})\\u(?i:{low:04x})")
        forms.append(rf"\\U(?i:{code:08x})")
    if char == " ":
        forms.append(r"\+")
    if char in "\"'\\/":
        forms.append(r"\\" + re.escape(char))
    if char in _ESCAPES:
        forms.append(r"\\" + _ESCAPES[char])
    forms.append(re.escape(char))  # last, for it may be the beginning of another form
    return f"(?:{'|'.join(forms)})"


def _base64_forms(secret: str) -> list[str]:
    """Patterns for the secret inside base64 text, at each of the three ways it can fall on its groups."""
    from base64 import b64encode

    octets = secret.encode("utf-8", "surrogatepass")
    if len(octets) < SHORTEST:
        return []
    padding = r"(?:=|%3[dD]){0,2}"
    rest = (r"(?:[\w+/-]|%2[bBfF])*" if len(octets) > LONGEST_BASE64 else r"[\w+/-]?") + padding
    forms = []
    for offset in range(3):
        encoded = b64encode(b"\0" * offset + octets[:LONGEST_BASE64]).decode("ascii")
        first, end = (0, 2, 3)[offset], (offset + len(octets[:LONGEST_BASE64])) * 8 // 6
        core = re.escape(encoded[first:end]).replace(r"\+", "[+-]").replace("/", "[/_]")
        core = core.replace("[+-]", "(?:[+-]|%2[bB])").replace("[/_]", "(?:[/_]|%2[fF])")
        forms.append((r"[\w+/-]?" if offset else "") + core + rest)
    return forms
