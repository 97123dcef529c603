"""The environment variables ``RED_*``: read once and checked; invalid ones are never ignored."""

import os
from collections.abc import Mapping
from typing import NamedTuple

from connectors import log
from connectors.errors import ConfigError, Fault
from connectors.wording import looked_in

LOGS = ("text", "json")
SWITCH = ("0", "1")
PROGRESS = ("auto", "off", "log")
RED_VAR = "RED_VAR_"
"""Prefix of variables that replace ``{{name}}`` in access documents: see connectors.access.variables."""


ALIKE = 0.66  # of 1, by difflib
LONG = 5  # letters


class Settings(NamedTuple):
    """How to transfer, whatever the connector. ``timeout`` is in seconds."""

    secrets_dir: str = "/run/secrets/red"
    retries: int = 4
    timeout: float = 60.0
    parallel: int = 8
    max_entries: int = 10_000_000
    ca_bundle: str = ""
    known_hosts: str = ""
    strict_host_keys: bool = False
    log: str = "text"
    progress: str = "auto"
    receipt: str = ""


KNOWN = tuple(f"RED_{name.upper()}" for name in (*Settings._fields, "mount", "debug"))


def read(environ: Mapping[str, str]) -> Settings:
    """The settings in ``environ``; ConfigError lists every fault. Empty means unset."""
    faults: list[Fault] = []

    def fault(name: str, message: str, hint: str = "") -> None:
        faults.append(Fault(name, message, hint=hint))

    def number(name: str, default: float, least: float, most: float, whole: bool = True) -> float:
        text = environ.get(name, "")
        if not text:
            return default
        try:
            if not text.isascii() or "_" in text or text != text.strip():
                raise ValueError(text)
            value = int(text) if whole else float(text)
        except ValueError:
            value = -1
        if not least <= value <= most:
            kind = "a whole number" if whole else "a number of seconds"
            fault(name, f"must be {kind} from {least:g} to {most:.12g}")
            return default
        return value

    def choice(name: str, choices: tuple[str, ...]) -> str:
        text = environ.get(name, "").lower() or choices[0]
        if text not in choices:
            fault(name, f"must be one of {', '.join(choices)}")
            return choices[0]
        return text

    def readable(name: str) -> str:
        path = environ.get(name, "")
        if path:
            try:
                with open(
                    os.open(path, os.O_RDONLY | os.O_NONBLOCK), "rb"
                ) as file:  # opening a FIFO must not block
                    file.read(1)
            except (OSError, ValueError) as error:
                reason = getattr(error, "strerror", None) or str(error)
                hint = ""
                if isinstance(error, FileNotFoundError):
                    from connectors.local import container

                    hint = container.hint(path)
                    reason += "" if os.path.isabs(path) else f" ({looked_in()})"
                fault(name, f"{path} cannot be read: {reason}", hint)
        return path

    defaults = Settings()
    settings = Settings(
        secrets_dir=environ.get("RED_SECRETS_DIR") or defaults.secrets_dir,
        retries=int(number("RED_RETRIES", defaults.retries, 0, 1000)),
        timeout=number("RED_TIMEOUT", defaults.timeout, 0.001, 86400, whole=False),
        parallel=int(number("RED_PARALLEL", defaults.parallel, 1, 256)),
        max_entries=int(number("RED_MAX_ENTRIES", defaults.max_entries, 1, 10**9)),
        ca_bundle=readable("RED_CA_BUNDLE"),
        known_hosts=readable("RED_KNOWN_HOSTS"),
        strict_host_keys=choice("RED_STRICT_HOST_KEYS", SWITCH) == "1",
        log=choice("RED_LOG", LOGS),
        progress=choice("RED_PROGRESS", PROGRESS),
        receipt=environ.get("RED_RECEIPT", ""),
    )
    for name, meant in misspelt(environ):
        log.warning(f"the environment variable {name} means nothing here; did you mean {meant}?")
    if faults:
        raise ConfigError(faults)
    return settings


def misspelt(environ: Mapping[str, str]) -> list[tuple[str, str]]:
    """Variables that look like misspelt settings, and the settings meant: other programs' variables may also
    begin with RED."""
    unknown = [
        name
        for name in environ
        if name.upper().startswith("RED_") and name not in KNOWN and not name.startswith(RED_VAR)
    ]
    return [(name, meant) for name in unknown if (meant := _meant(name))]


def _meant(name: str) -> str:
    word, _, rest = name[len("RED_") :].partition("_")
    if word.upper().startswith("VAR") and not rest:
        return RED_VAR + word[len("VAR") :]
    if rest and _is_alike(word, "VAR"):
        return RED_VAR + rest
    return next((known for known in KNOWN if _is_alike(name[len("RED_") :], known[len("RED_") :])), "")


def _is_alike(word: str, known: str) -> bool:
    """At most one letter apart; two in a long word."""
    from difflib import SequenceMatcher  # 10 ms, only for unknown variables

    shorter, longer = sorted((len(word), len(known)))
    is_near = longer - shorter <= (1 if shorter < LONG else 2)
    return is_near and SequenceMatcher(None, word.upper(), known).ratio() >= ALIKE
