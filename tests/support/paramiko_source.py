"""Checks that paramiko's functions are unchanged since we read them."""

import hashlib
import inspect
import textwrap
from typing import Any


def digests(owner: type, names: dict[str, str]) -> dict[str, str]:
    """A short digest of the source of each function of ``owner`` in ``names``."""
    return {name: _digest(inspect.getattr_static(owner, name)) for name in names}


def _digest(function: Any) -> str:
    """A short digest of its source, ignoring indentation and trailing blanks."""
    text = inspect.getsource(function.fget if isinstance(function, property) else function)
    lines = [line.rstrip() for line in textwrap.dedent(text).splitlines()]
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()[:12]
