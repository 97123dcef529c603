"""Whatever bytes, document or listing come in: they are taken, or refused with faults; nothing else."""

import json
import tempfile
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import example, given, settings
from hypothesis import strategies as st

from connectors import http, secrets
from connectors.access import document, prepare
from connectors.errors import ConfigError
from connectors.model import RECEIVE_DIR, RECEIVE_FILE, SEND_DIR, SEND_FILE
from connectors.variants import http_json
from tests.support.documents import no_secrets, patient

pytestmark = pytest.mark.slow

KEYS = st.sampled_from(
    [
        *(
            "url",
            "_url",
            "method",
            "auth",
            "_auth",
            "headers",
            "disableSSLVerification",
            "clientKey",
            "clientCertificate",
        ),
        *(
            "clientKeyPassphrase",
            "username",
            "_username",
            "password",
            "_password",
            "token",
            "command",
            "access",
        ),
        *(
            "connector",
            "class",
            "listing",
            "basename",
            "size",
            "checksum",
            "mount",
            "pasword",
            "_",
            "__x",
            "Host",
        ),
    ]
)
TEXTS = st.text(max_size=12) | st.sampled_from(
    [
        *(
            "http://h/a",
            "https://u:p@h:1/?token=abcdefgh",
            "http://",
            "ftp://h",
            "GET",
            "bearer",
            "File",
            "Directory",
        ),
        *(
            "red-connector-http",
            "{{a}}",
            "{{b}} {{c d}}",
            "{{",
            "../x",
            "sha1$",
            "-----BEGIN ",
            "\ud800",
            "a:b",
            "\r\n",
        ),
    ]
)
SCALARS = st.none() | st.booleans() | st.integers() | st.floats() | TEXTS
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(KEYS | TEXTS, inner, max_size=6),
    max_leaves=25,
)
ACCESS = st.fixed_dictionaries(
    {"url": TEXTS}, optional={"auth": VALUES, "headers": VALUES, "method": TEXTS, "clientKey": VALUES}
)
ENTRY = st.fixed_dictionaries(
    {
        "class": VALUES,
        "connector": st.fixed_dictionaries({"command": VALUES, "access": ACCESS | VALUES}) | VALUES,
    },
    optional={"listing": VALUES, "size": VALUES, "checksum": VALUES, "x": VALUES},
)
DOCUMENTS = VALUES | ACCESS | ENTRY | st.dictionaries(KEYS, VALUES, max_size=5)
VERBS = st.sampled_from([RECEIVE_FILE, SEND_FILE, RECEIVE_DIR, SEND_DIR])
ENVIRON = {"RED_VAR_a": "hunter22\n", "RED_VAR_c": "\udcff"}


def taken(data: bytes, verb: Any = RECEIVE_FILE, listing: bytes | None = None) -> prepare.Prepared | None:
    """What ``data`` becomes, None if it was refused; every fault is one that can be shown."""
    connector: Any = http_json if verb in http_json.SCHEMAS else http
    with tempfile.TemporaryDirectory() as folder, no_secrets():
        path, source = Path(folder, "in"), None
        path.write_bytes(data)
        if listing is not None:
            source = str(Path(folder, "listing"))
            Path(source).write_bytes(listing)
        try:
            read = document.read(str(path))
            return prepare.prepare(
                read, verb, connector.EXECUTABLE, connector.SCHEMAS[verb], source, folder, ENVIRON
            )
        except ConfigError as error:
            faults = error.faults
        assert faults
        for fault in faults:
            assert fault.message
            assert fault.source
            assert fault.path.isprintable()
            assert "hunter22" not in secrets.redact(str(fault))
        return None


@patient
@given(st.binary(max_size=200))
@example(b"\xff\xfe")
@example(b"\x00\x00\x00{")
@example(b"{" * 3000)
@example(b'{"a":' * 900 + b"1" + b"}" * 900)
@example(b"? " * 3000)
@example(b'{"url": 1e999999, "method": -0}')
@example(b"url: !!float ._\nmethod: 1:99:x\nauth: 0b\nheaders: 1e\n")
@example(b"a: !!timestamp x\nb: !!int ''\nc: !!bool maybe\n=: =\n<<: 3\n")
@example(b"<<: [{a: 1}, x]")
@example(b"[]: {}\n{}: []")
def test_any_bytes_are_taken_or_refused(data: bytes) -> None:
    taken(data)
    taken(b'{"url": "http://h/"}', RECEIVE_DIR, data)


@patient
@given(st.text(alphabet="{}[]:,-?!&*<>|%@`'\"#\n\t ~ab1=.", max_size=60))
def test_anything_that_looks_like_yaml_or_json_is_taken_or_refused(text: str) -> None:
    taken(text.encode())


@settings(max_examples=300, deadline=None)
@given(DOCUMENTS, VERBS)
def test_any_json_document_is_taken_or_refused(value: Any, verb: Any) -> None:
    taken(json.dumps(value).encode(), verb)


@patient
@given(DOCUMENTS, VERBS)
def test_any_yaml_document_is_taken_or_refused(value: Any, verb: Any) -> None:
    taken(yaml.safe_dump(value, allow_unicode=True).encode("utf-8", "replace"), verb)


@patient
@given(st.lists(VALUES, max_size=4) | VALUES)
def test_any_listing_is_taken_or_refused(value: Any) -> None:
    taken(b'{"url": "http://h/"}', RECEIVE_DIR, json.dumps(value).encode())


@patient
@given(st.dictionaries(st.text(max_size=8), SCALARS.filter(lambda value: value == value), max_size=4))
def test_json_and_yaml_are_read_by_their_own_rules(value: dict[str, Any]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "in")
        path.write_bytes(json.dumps({"x": value}).encode())
        assert document.read(str(path)).access == {"x": value}
