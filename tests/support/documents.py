"""Access documents in tests: prepared from a text, or its faults."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from hypothesis import settings

from connectors import http, registry, secrets
from connectors.access import describe, document, prepare
from connectors.errors import ConfigError, Fault
from connectors.model import RECEIVE_FILE, Verb

patient = settings(deadline=None)
"""For property-based tests: a busy machine is not a failure."""


class Documents:
    """Writes documents into a folder and prepares them for the HTTP connector (or another)."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.secrets_dir = folder / "secrets"
        self.secrets_dir.mkdir()

    def write(self, text: str | bytes, name: str = "in.yml") -> str:
        path = self.folder / name
        path.write_bytes(text.encode() if isinstance(text, str) else text)
        return str(path)

    def prepared(
        self,
        text: str | bytes,
        verb: Verb = RECEIVE_FILE,
        listing: str | bytes | None = None,
        environ: Mapping[str, str] | None = None,
        connector: Any = http,
    ) -> prepare.Prepared:
        source = None if listing is None else self.write(listing, "listing.json")
        read = document.read(self.write(text))
        name, schema = connector.EXECUTABLE, connector.SCHEMAS[verb]
        return prepare.prepare(read, verb, name, schema, source, str(self.secrets_dir), environ or {})

    def access(self, text: str | bytes, *arguments: Any, **more: Any) -> dict[str, Any]:
        return self.prepared(text, *arguments, **more).access

    def faults(self, text: str | bytes, *arguments: Any, **more: Any) -> list[Fault]:
        with pytest.raises(ConfigError) as caught:
            self.prepared(text, *arguments, **more)
        return caught.value.faults

    def fault(self, text: str | bytes, *arguments: Any, **more: Any) -> Fault:
        (fault,) = self.faults(text, *arguments, **more)
        return fault


@contextmanager
def no_secrets() -> Iterator[None]:
    """Secrets marked inside are forgotten afterwards."""
    secrets.forget()
    yield
    secrets.forget()


def places(faults: list[Fault]) -> list[tuple[str, int]]:
    return [(fault.path, fault.line) for fault in faults]


def checker(name: str, verb: Verb) -> Any:
    """Validator for access documents, as in an editor with our JSON Schema."""
    schema = describe.json_schema(name, verb, registry.load(name).SCHEMAS[verb])
    jsonschema.Draft7Validator.check_schema(schema)
    return jsonschema.Draft7Validator(schema)
