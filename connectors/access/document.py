"""The access document as read, in any of its three shapes, before validation.

{url: …}                                                bare access data, as the RED agent writes it
{command: red-connector-http, access: {…}}              as in the connectors' documentation
{class: File, connector: {command: …, access: {…}}}     one entry of a RED file's inputs or outputs
"""

from functools import lru_cache
from typing import Any

from connectors.access import bounds, parsing
from connectors.access.parsing import Parsed, must_be
from connectors.errors import ConfigError, Fault
from connectors.wording import join

CONNECTOR_KEYS = ("command", "access", "mount")
ENTRY_KEYS = ("class", "connector", "listing", "basename", "dirname", "size", "checksum")
CLASSES = ("File", "Directory")
SHORTEST_PIECE = 3
"""Characters; a key at least this long is recognised inside a longer one."""

_STRING = (str, "a string")
_TYPES = {"command": _STRING, "basename": _STRING, "dirname": _STRING, "mount": (bool, "true or false")}


class Document(Parsed):
    """The raw data inside the shape; ``prepare`` checks it. ``faults`` are those of the shape itself.

    ``access`` is None if the document has none; ``access_path`` is its place in the document. ``size`` and
    ``checksum`` are those of a ``class: File`` entry, as written. ``unknown`` are the unknown keys with their
    paths: only the schema explains them.
    """

    def __init__(self, parsed: Parsed) -> None:
        super().__init__(parsed.source, parsed._text, parsed.value)
        self.access: Any = parsed.value
        self.access_path = ""
        self.command: str | None = None
        self.command_path = ""
        self.entry_class: str | None = None
        self.listing: Any = None
        self.size: Any = None
        self.checksum: Any = None
        self.faults: list[Fault] = []
        self.unknown: list[tuple[str, str, tuple[str, ...]]] = []
        if "class" in parsed.value or "connector" in parsed.value:
            self._take_entry(parsed.value)
        elif "command" in parsed.value or "access" in parsed.value:
            self._take_connector(parsed.value, "")

    def _take_entry(self, entry: dict[str, Any]) -> None:
        self.access = None
        self._check_keys(entry, ENTRY_KEYS, "")
        self.entry_class = entry.get("class") if entry.get("class") in CLASSES else None
        if "class" in entry and self.entry_class is None:
            self.faults.append(self.fault("class", f"must be one of {', '.join(CLASSES)}"))
        self.listing, self.size, self.checksum = (entry.get(key) for key in ("listing", "size", "checksum"))
        connector = entry.get("connector")
        if isinstance(connector, dict):
            self._take_connector(connector, "connector")
        elif "connector" in entry:
            self.faults.append(
                self.fault("connector", must_be("a mapping with command and access", connector))
            )
        else:
            self.faults.append(self.fault("connector", "required: a mapping with command and access"))

    def _take_connector(self, connector: dict[str, Any], path: str) -> None:
        self._check_keys(connector, CONNECTOR_KEYS, path)
        command = connector.get("command")
        self.command = command if isinstance(command, str) else None
        self.command_path = join(path, "command")
        self.access, self.access_path = connector.get("access"), join(path, "access")
        if self.access is None:
            self.faults.append(self.fault(self.access_path, "required: the access data, a mapping"))

    def _check_keys(self, mapping: dict[str, Any], known: tuple[str, ...], path: str) -> None:
        if len(mapping) > bounds.MOST_KEYS:
            self.faults.append(self.fault(path, f"has more than {bounds.MOST_KEYS:,} keys"))
            return
        for key, value in mapping.items():
            if key not in known:
                self.unknown.append((join(path, key), key, known))
            elif key in _TYPES and not isinstance(value, _TYPES[key][0]):
                wanted = _TYPES[key][1]
                self.faults.append(self.fault(join(path, key), must_be(wanted, value)))


def read(source: str | dict[str, Any]) -> Document:
    """The access document ``source``: a path, ``-`` for standard input, or the document itself.

    ConfigError if it cannot be read, is neither JSON nor YAML, gives a key twice, or is not a mapping.
    """
    if not isinstance(source, str):
        return Document(Parsed("", "", source))
    parsed = parsing.load(source)
    if not isinstance(parsed.value, dict):
        message = f"is not an access document: {must_be('a mapping', parsed.value)}"
        hint = "the access document comes first, then the local file or directory"
        if parsed.value is None:
            message = "is empty: write the access data"
            hint = "docker run needs -i to read standard input" if source == "-" else ""
        raise ConfigError([Fault("", message, 0, source, hint)])
    return Document(parsed)


def read_listing(source: str) -> Parsed:
    """Read a listing (a path, or ``-``); its ``value`` is a list, not yet validated otherwise."""
    parsed = parsing.load(source)
    if not isinstance(parsed.value, list):
        raise ConfigError([Fault("", must_be("a list of files and directories", parsed.value), 0, source)])
    return parsed


def misplaced(key: str, access_path: str, *, of_directory: bool) -> str:
    """Where a misplaced ``key`` in or beside the access data belongs, if it is a key of the shape; otherwise
    ""."""
    name = key.removeprefix("_")
    if name in ("size", "checksum") and of_directory:
        return "belongs to a file: give it in the listing, file by file"
    if name in ENTRY_KEYS and name != "connector":
        if access_path.startswith("connector"):
            return "belongs to the entry: put it beside connector"
        return "belongs to an entry, which has class and connector: put it beside these"
    return "belongs beside access, not in it" if name in ("command", "mount") else ""


def unknown(
    key: str, known: "list[str] | tuple[str, ...]", missing: "list[str] | tuple[str, ...]" = ()
) -> str:
    """The message for a ``key`` not in ``known``: the one probably meant, otherwise all of them."""
    name = meant(key, known, missing)
    return f"unknown; did you mean {name}?" if name else f"unknown; known are: {', '.join(known)}"


def meant(key: str, known: "list[str] | tuple[str, ...]", missing: "list[str] | tuple[str, ...]" = ()) -> str:
    """The one of ``known`` that ``key`` was probably meant to be; "" if none is similar.

    Prefers one of ``missing`` that contains ``key``, or that ``key`` contains, to one that is only similar.
    """
    folded = {name.lower(): name for name in known}
    for name in missing:
        short, long = sorted((name.lower(), key.lower()), key=len)
        if len(short) >= SHORTEST_PIECE and short in long:
            return name
    return folded.get(_closest(key.lower()[:100], tuple(folded)), "")


@lru_cache
def _closest(key: str, known: tuple[str, ...]) -> str:
    """Cached: a listing may have the same fault in every entry."""
    from difflib import get_close_matches  # 10 ms, only for a fault

    return next(iter(get_close_matches(key, known, n=1, cutoff=0.6)), "")
