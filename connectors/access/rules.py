"""Checks that types cannot express: functions of (field, value, error), for cerberus' ``check_with``.

``error(field, message)`` reports; a dotted field reaches one below the one that is checked. Messages never
hold the value. The value has the type that its field demands: else the check is not called.
"""

import re
from collections.abc import Callable
from typing import Any

from connectors.pem import is_pem, unreadable

Error = Callable[[str, str], None]

CONTROL = re.compile(r"[\x00-\x1f\x7f]")


def no_control(field: str, value: Any, error: Error) -> None:
    if CONTROL.search(value):
        error(field, "must not contain control characters, such as the end of a line")


def certificate(field: str, value: Any, error: Error) -> None:
    _pem(field, value, error, "CERTIFICATE-----")


def private_key(field: str, value: Any, error: Error) -> None:
    _pem(field, value, error, "PRIVATE KEY-----")


def _pem(field: str, value: Any, error: Error, label: str) -> None:
    """PEM text in the document, or the path of a file that can be read."""
    text = value
    if not is_pem(value):
        try:
            with open(value, encoding="ascii", errors="replace") as file:
                text = file.read(1024 * 1024)
        except (OSError, ValueError) as problem:
            error(field, unreadable(value, problem))
            return
    if "-----BEGIN " not in text or label not in text:
        error(field, f"contains no PEM block '-----BEGIN … {label}'")
