"""Keys and certificates as PEM (RFC 7468): the text itself in the document, or the path of its file."""

import re

from connectors.wording import looked_in

_BLOCK = re.compile(r"-----BEGIN ([A-Z0-9 ]+)-----(.*?)-----END \1-----", re.DOTALL)
_HEADER = re.compile(r"([A-Za-z-]+):\s*(\S+)\s+")
_HEADERS = re.compile(rf"\s*(?:{_HEADER.pattern})*")
"""Of RFC 1421, as OpenSSL's older private keys have them: Proc-Type and DEK-Info."""


def is_pem(text: str) -> bool:
    """Whether ``text`` is PEM itself and not the path of a file."""
    return "-----BEGIN " in text or "\n" in text


def unreadable(path: str, problem: Exception) -> str:
    """The message for a ``path`` that cannot be read, where PEM text or the path of a PEM file is expected.

    Never contains ``path`` itself: it may be part of a key.
    """
    reason = getattr(problem, "strerror", None) or "no such path"
    if path.startswith("~"):
        reason += "; ~ is not expanded: write an absolute path, or a variable {{name}} that holds the key"
    elif isinstance(problem, FileNotFoundError) and path.startswith("/"):
        reason += "; in a container, is it mounted there?"
    elif isinstance(problem, FileNotFoundError):
        reason += f"; {looked_in()}"
    return f"must be PEM text or the path of a file that can be read ({reason})"


def as_pem(text: str) -> str:
    """``text`` with its lines restored, if an environment variable has ``\\n`` or YAML joined them."""
    return _BLOCK.sub(_restored, text.replace("\\r", "").replace("\\n", "\n"))


def _restored(block: re.Match[str]) -> str:
    label, inside = block.groups()
    found = _HEADERS.match(inside)
    end = found.end() if found else 0
    headers = [f"{name}: {value}" for name, value in _HEADER.findall(inside[:end])]
    base64 = "".join(inside[end:].split())
    lines = [*headers, ""] if headers else []
    lines += (base64[start : start + 64] for start in range(0, len(base64), 64))
    return "\n".join((f"-----BEGIN {label}-----", *lines, f"-----END {label}-----"))
