"""Turns a document into a transfer's input, or reports all its faults."""

import os
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

from connectors import secrets
from connectors.access import bounds
from connectors.access import listing as listings
from connectors.access.document import CONNECTOR_KEYS, ENTRY_KEYS, Document, misplaced, read_listing, unknown
from connectors.access.parsing import Parsed, must_be
from connectors.access.validation import Finding, Path, validate
from connectors.access.variables import Variables
from connectors.errors import ConfigError, Fault
from connectors.model import Checksum, Entry, Promise, Verb
from connectors.wording import join, printable

if TYPE_CHECKING:
    from connectors.access.schema import Schema

DEEPEST = 32
"""Levels of access data; no connector needs four."""


class Prepared(NamedTuple):
    """Valid access data with defaults; and what document and listing promise about the content."""

    access: dict[str, Any]
    promise: Promise


def prepare(
    document: Document,
    verb: Verb,
    executable: str,
    schema: "Schema",
    listing: "str | list[Any] | None",
    secrets_dir: str,
    environ: Mapping[str, str],
) -> Prepared:
    """Check ``document`` for ``verb`` of the connector ``executable``, whose ``schema`` for it is given.

    ``listing`` (a path, ``-``, or a parsed listing) replaces the one in the document. Variables are
    filled from ``secrets_dir`` and ``environ``. All secrets are marked in connectors.secrets before
    this returns or raises. ConfigError contains every fault, in the order of lines.
    """
    secrets.keep(_vocabulary(schema))
    faults = list(document.faults)
    faults += _unknown_faults(document, schema, verb)
    faults += _command_faults(document, executable)
    faults += _class_faults(document, verb)
    access, access_faults = _Access(document, verb, schema, Variables(secrets_dir, environ)).prepare()
    faults += access_faults
    entries, listing_faults = _listing(document, listing)
    faults += listing_faults
    size, checksum, promise_faults = _promises(document)
    faults += promise_faults
    if faults:
        placed = document.placed(dict.fromkeys(faults))
        raise ConfigError(sorted(placed, key=lambda fault: (fault.source != document.source, fault.line)))
    return Prepared(access, Promise(entries, size, checksum))


def _vocabulary(schema: "Schema") -> set[str]:
    """The words used in messages about this schema."""
    words = {*CONNECTOR_KEYS, *ENTRY_KEYS}
    for name, field in schema.items():
        words.add(name)
        words.update(str(choice) for choice in field.get("allowed", ()))
        words.update(field.get("meta", {}).get("words", ()))
        words |= _vocabulary(field["schema"]) if field.get("type") == "dict" and "schema" in field else set()
    return words


def _unknown_faults(document: Document, schema: "Schema", verb: Verb) -> list[Fault]:
    """Unknown keys around the access data."""
    place = document.access_path or "connector.access"

    def message(key: str, known: tuple[str, ...]) -> str:
        if key.removeprefix("_") in schema:
            return f"put it under {place}"
        elsewhere = misplaced(key, document.access_path, of_directory=verb.of_directory)
        return elsewhere if elsewhere and known == CONNECTOR_KEYS else unknown(key, known)

    return [document.fault(path, message(key, known)) for path, key, known in document.unknown]


def _command_faults(document: Document, executable: str) -> list[Fault]:
    if document.command is None or document.command == executable:
        return []
    said = printable(document.command) or "nothing"
    return [document.fault(document.command_path, f"says {said}, but {executable} was called")]


def _class_faults(document: Document, verb: Verb) -> list[Fault]:
    faults = []
    wanted = "Directory" if verb.of_directory else "File"
    if document.entry_class and document.entry_class != wanted:
        right = f"{'send' if verb.sends else 'receive'}-{'file' if wanted == 'Directory' else 'dir'}"
        faults.append(
            document.fault("class", f"{verb} needs class {wanted}; for {document.entry_class} use {right}")
        )
    if document.entry_class == "File" and document.listing is not None:
        faults.append(document.fault("listing", "only a Directory has one: leave it out"))
    for key, value in (("size", document.size), ("checksum", document.checksum)):
        if document.entry_class == "Directory" and value is not None:
            faults.append(document.fault(key, "only a File has one: give it in the listing, file by file"))
    return faults


def _listing(document: Document, source: "str | list[Any] | None") -> tuple[list[Entry] | None, list[Fault]]:
    raw: Parsed = document
    value, prefix = document.listing, "listing"
    if source is not None:
        try:
            raw = read_listing(source) if isinstance(source, str) else Parsed("listing", "", source)
        except ConfigError as error:
            return None, error.faults
        value, prefix = raw.value, ""
    if value is None or (source is None and document.entry_class == "File"):
        return None, []
    faults: list[Fault] = []
    if not isinstance(value, list):
        return None, [raw.fault(prefix, must_be("a list of files and directories", value))]
    entries = listings.parse(value, lambda path, message: faults.append(raw.fault(prefix + path, message)))
    return entries, raw.placed(faults)


def _promises(document: Document) -> tuple[int | None, Checksum | None, list[Fault]]:
    """Size and checksum of a ``class: File`` entry."""
    if document.entry_class != "File":
        return None, None, []
    faults: list[Fault] = []
    size = listings.size(document.size, lambda message: faults.append(document.fault("size", message)))
    checksum = listings.checksum(
        document.checksum, lambda message: faults.append(document.fault("checksum", message))
    )
    return size, checksum, faults


class _Access:
    """The access data of one document on its way from raw to valid."""

    def __init__(self, document: Document, verb: Verb, schema: "Schema", variables: Variables) -> None:
        self.document = document
        self.verb = verb
        self.schema = schema
        self.variables = variables
        self.protected: set[Path] = set()
        """Paths whose key has an underscore prefix in the document."""
        self.broken: set[Path] = set()
        """Paths of values already reported as wrong: schema faults there would only repeat that."""
        self.faults: list[Fault] = []

    def prepare(self) -> tuple[dict[str, Any], list[Fault]]:
        raw = self.document.access
        if not isinstance(raw, dict):
            if raw is not None:  # None: missing, already reported
                self.faults.append(self.document.fault(self.document.access_path, must_be("a mapping", raw)))
            return {}, self.faults
        if _is_too_much(raw):
            message = f"contains more than {bounds.MOST_KEYS:,} values"
            self.faults.append(self.document.fault(self.document.access_path, message))
            return {}, self.faults
        access = self.clean(raw, (), secret=False)
        _mark(access, self.schema)
        auth = access.get("auth")
        login = auth if isinstance(auth, dict) else access
        username, password = login.get("username"), login.get("password")
        if isinstance(username, str) and isinstance(password, str) and password:
            secrets.mark(f"{username}:{password}")  # in base64, the BASIC header
        given = access
        access, findings = validate(access, self.schema)
        broken = self.broken
        absent = {finding.path for finding in findings if not _has(given, finding.path)}
        for finding in findings:
            if any(finding.path[:length] in broken for length in range(len(finding.path) + 1)):
                continue
            self.fault(finding.path, self.unknown(finding, absent) if finding.unknown else finding.message)
        return access, self.faults

    def unknown(self, finding: Finding, absent: set[Path]) -> str:
        """The message for a key that is unknown in its place; ``absent`` are the missing keys."""
        key = self.written(finding.path)[-1]
        if len(finding.path) == 1:
            of_directory = self.verb.of_directory
            if elsewhere := misplaced(key, self.document.access_path, of_directory=of_directory):
                return elsewhere
        mark = "_" if key.startswith("_") else ""
        within = self.schema.get("auth", {}).get("schema", {})
        if len(finding.path) == 1 and key.removeprefix("_") in within:
            return f"put it under {join(self.document.access_path, 'auth')}"
        missing = [name for name in finding.unknown if (*finding.path[:-1], name) in absent]
        return unknown(key, [mark + name for name in finding.unknown], [mark + name for name in missing])

    def written(self, path: Path) -> list[str]:
        """The steps of ``path`` as written in the document, with underscores."""
        return [f"_{key}" if path[: i + 1] in self.protected else str(key) for i, key in enumerate(path)]

    def fault(self, path: Path, message: str) -> None:
        steps = [
            key if isinstance(key, int) else text for key, text in zip(path, self.written(path), strict=True)
        ]
        self.faults.append(self.document.fault(join(self.document.access_path, *steps), message))

    def break_(self, path: Path, message: str) -> None:
        self.fault(path, message)
        self.broken.add(path)

    def clean(self, value: Any, path: Path, secret: bool) -> Any:
        """A copy of ``value`` with plain keys and filled variables; marked, with all below, if ``secret``."""
        if len(path) > DEEPEST:
            self.break_(path, "is nested too deeply")
            return None
        if isinstance(value, dict):
            return self.clean_mapping(value, path, secret)
        if isinstance(value, list):
            return [self.clean(item, (*path, index), secret) for index, item in enumerate(value)]
        if isinstance(value, str):
            value = self.variables.fill(value, lambda message: self.break_(path, message))
            if not _encodable(value):
                self.break_(path, "contains half a character (a lone surrogate): write the whole character")
        if secret and not isinstance(value, bool) and value is not None:
            secrets.mark(_as_text(value))
        return value

    def clean_mapping(self, mapping: dict[str, Any], path: Path, secret: bool) -> dict[str, Any]:
        cleaned: dict[str, Any] = {}
        for key, value in mapping.items():
            name = key[1:] if key.startswith("_") and len(key) > 1 else key
            here = (*path, name)
            if name != key:
                self.protected.add(here)
                if name in mapping:
                    self.break_(here, f"given twice, as {name} and as {key}: keep one")
            cleaned[name] = self.clean(value, here, secret or name != key)
        return cleaned


def _is_too_much(access: Any) -> bool:
    """Whether it has more values than the limit; aliased values count each time."""
    count, rest = 0, [access]
    while rest:
        value = rest.pop()
        if isinstance(value, dict | list):
            count += len(value)
            if count > bounds.MOST_KEYS:
                return True
            rest += value.values() if isinstance(value, dict) else value
    return False


def _has(value: Any, path: Path) -> bool:
    """Whether ``path`` exists in ``value``; assumed below anything but a mapping."""
    for step in path:
        if not isinstance(value, dict):
            return True
        if step not in value:
            return False
        value = value[step]
    return True


def _encodable(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _mark(value: Any, schema: "Schema") -> None:
    """Mark what ``schema`` declares secret, even if it is invalid."""
    if not isinstance(value, dict):
        return
    for key, field in schema.items():
        secret = field.get("meta", {}).get("secret")
        if secret == "key" and _is_file(value.get(key)):
            continue  # not a secret
        if secret == "url":
            if isinstance(value.get(key), str):
                secrets.mark_url(value[key])
        elif secret:
            _mark_all(value.get(key))
        elif field.get("type") == "dict":
            _mark(value.get(key), field.get("schema", {}))


def _is_file(path: Any) -> bool:
    return isinstance(path, str) and os.path.isfile(path)


def _mark_all(value: Any) -> None:
    if isinstance(value, dict):
        value = list(value.values())
    if isinstance(value, list):
        for item in value:
            _mark_all(item)
    elif value is not None and not isinstance(value, bool):
        secrets.mark(_as_text(value))


def _as_text(value: Any) -> str:
    try:
        return str(value)
    except ValueError:  # a number with thousands of digits, never printed either
        return ""
