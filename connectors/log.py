"""Writes to stderr: plain lines or, with RED_LOG=json, one JSON object per message.

Nothing else in the program writes there, so every line is redacted.
"""

import sys
import time

from connectors import secrets
from connectors.errors import RedError

_program = "red-connectors"
_json = False


def configure(program: str, style: str) -> None:
    """Set the program name shown in messages, and the ``style`` of RED_LOG: text or json."""
    global _program, _json
    _program, _json = program, style.lower() == "json"


def info(message: str, **details: object) -> None:
    _say("info", message, [], details)


def warning(message: str, **details: object) -> None:
    _say("warning", message, [], details)


def error(failure: RedError) -> None:
    """Report the failure with its exit code, its parts if it has several, and its hint."""
    details: dict[str, object] = {"code": int(failure.code)}
    parts = [_line(str(part)) for part in failure.parts]
    if parts:
        details["parts"] = parts
    if failure.hint:
        details["hint"] = failure.hint
    _say("error", failure.summary, parts, details)


def _say(level: str, message: str, parts: list[str], details: dict[str, object]) -> None:
    if _json:
        import json

        moment = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
        record = {"time": moment, "level": level, "program": _program, "message": message, **details}
        text = json.dumps(_redacted(record))
    else:
        label = "" if level == "info" else f"{level}: "
        lines = [f"{_program}: {label}{_line(message)}", *(f"  {part}" for part in parts)]
        if hint := details.get("hint"):
            lines.append(f"hint: {_line(str(hint))}")
        text = secrets.redact("\n".join(lines))
    _write(text + "\n")


def _write(text: str) -> None:
    if sys.stderr is None:
        return
    try:
        if bar := sys.modules.get("tqdm"):
            with bar.tqdm.external_write_mode(file=sys.stderr):
                sys.stderr.write(text)
        else:
            sys.stderr.write(text)
        sys.stderr.flush()
    except (OSError, ValueError):  # stderr is gone; the transfer continues
        sys.stderr = None


def _line(text: str) -> str:
    """``text`` on one line: unprintable characters, from a file name or server, are escaped."""
    if text.isprintable():
        return text
    return "".join(char if char.isprintable() else ascii(char)[1:-1] for char in text)


def _redacted(value: object) -> object:
    if isinstance(value, str):
        return secrets.redact(value)
    if isinstance(value, dict):
        return {key: _redacted(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_redacted(item) for item in value]
    return value
