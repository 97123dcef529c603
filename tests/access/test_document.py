"""Reading access documents: JSON or YAML, file or standard input, three shapes, every fault with its line."""

import io
import os
import sys
from pathlib import Path

import pytest

from connectors import registry, secrets
from connectors.access import bounds, document
from connectors.errors import ConfigError
from connectors.model import RECEIVE_DIR, RECEIVE_FILE, SEND_FILE
from tests.support.documents import Documents, no_secrets, places
from tests.support.program import run

URL = "http://example.com/a.csv"


@pytest.mark.parametrize(
    "text",
    [
        '{"url": "http://example.com/a.csv"}',
        '{\n\t"url":\t"http://example.com/a.csv"\n}',
        "url: http://example.com/a.csv",
        "---\nurl: 'http://example.com/a.csv'\n...\n",
        "{url: http://example.com/a.csv}",
        "command: red-connector-http\naccess:\n  url: http://example.com/a.csv\n",
        '{"access": {"url": "http://example.com/a.csv"}}',
        "class: File\nconnector: {command: red-connector-http, access: {url: 'http://example.com/a.csv'}}",
        "connector: {access: {url: 'http://example.com/a.csv'}, mount: false}\nbasename: a.csv\ndirname: x",
    ],
)
def test_json_and_yaml_are_taken_in_all_three_shapes(documents: Documents, text: str) -> None:
    assert documents.access(text)["url"] == URL


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be"])
def test_text_is_taken_as_utf_8_or_utf_16_with_or_without_a_byte_order_mark(
    documents: Documents, encoding: str
) -> None:
    url = "http://example.com/größe.csv"
    assert documents.access(f'{{"url": "{url}"}}'.encode(encoding))["url"] == url
    assert documents.access(f"url: {url}\n".encode(encoding))["url"] == url


def test_a_dash_means_standard_input(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b'{"url": "http://h/"}')))
    read = document.read("-")
    assert (read.source, read.access) == ("-", {"url": "http://h/"})


def test_a_closed_standard_input_is_a_configuration_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", None)
    with pytest.raises(ConfigError, match="standard input is closed"):
        document.read("-")


@pytest.mark.parametrize("name", ["missing.yml", ".", "", "nul\0"])
def test_a_document_that_cannot_be_read_is_a_configuration_error(tmp_path: Path, name: str) -> None:
    with pytest.raises(ConfigError, match="cannot be read"):
        document.read(str(tmp_path / name) if name else name)


def test_a_missing_document_is_reported_with_the_folder_searched(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ConfigError) as caught:
        document.read("in.yml")
    told = f"in.yml: cannot be read: No such file or directory (looked in {tmp_path})"
    assert caught.value.message == told
    with pytest.raises(ConfigError) as caught:
        document.read(f"{tmp_path}/in.yml")
    assert caught.value.message == f"{tmp_path}/in.yml: cannot be read: No such file or directory"


def test_a_url_in_place_of_a_document_is_explained_without_its_password() -> None:
    with no_secrets():
        with pytest.raises(ConfigError) as caught:
            document.read("https://me:hunter22@h/a.csv")
        assert "not the URL itself" in caught.value.message
        assert "hunter22" not in secrets.redact(caught.value.message)


def test_a_document_is_not_read_without_bound(tmp_path: Path) -> None:
    path = tmp_path / "data"
    with open(path, "wb") as file:
        os.truncate(file.fileno(), bounds.MOST_BYTES + 1)
    with pytest.raises(ConfigError, match="is larger than 64 MiB"):
        document.read(str(path))


def test_yaml_is_bounded_more_tightly_than_json(
    documents: Documents, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bounds, "MOST_YAML", 40)
    assert documents.access(f'{{"url": "{URL}", "method": "GET"  }}')["url"] == URL
    assert "too large for YAML" in documents.fault(f"url: {URL}\nmethod: GET # and so on\n").message


@pytest.mark.parametrize(
    ("text", "line", "message"),
    [
        (b"url: caf\xe9", 1, "is not UTF-8 text: save it as UTF-8"),
        (b"a: b\nurl: caf\xe9", 2, "is not UTF-8 text: save it as UTF-8"),
        ('{"url": "x",\n "b": [}', 2, "is not JSON: Expecting value"),
        ('{"url": "x"\n "b": 1}', 2, "is not JSON: Expecting ',' delimiter"),
        ("url: 'x\n", 2, "is not YAML: found unexpected end of stream"),
        ("a: b\nc: @d", 2, "is not YAML: a character that is not allowed here: put values in quotes, "),
        ("a: b\n\tc: d", 2, "is not YAML: found a tab character that violates indentation"),
        ("a: b\nc: d: e", 2, "is not YAML: mapping values are not allowed"),
        ("url: x\n---\nurl: y\n", 2, "is not YAML: contains more than one YAML document: write one"),
        ("a: \x01", 1, "is not YAML: contains a character that YAML does not allow"),
        ("a: " + "[" * 100_000, 0, "is nested too deeply"),
        ("- " * 100_000, 0, "is nested too deeply"),
        ('{"a":' * 100_000, 0, "is nested too deeply"),
        ('{"a": ' + "9" * 5000 + "}", 0, "contains a number with too many digits"),
        ("", 0, "is empty: write the access data"),
        ("# only a comment\n", 0, "is empty: write the access data"),
        ("- a\n- b\n", 0, "is not an access document: must be a mapping, is a list"),
        ('"http://h/"', 0, "is not an access document: must be a mapping, is a string"),
    ],
)
def test_an_invalid_document_is_reported_with_its_line_and_the_parsers_message(
    documents: Documents, text: str | bytes, line: int, message: str
) -> None:
    fault = documents.fault(text)
    assert fault.message.startswith(message)
    assert (fault.path, fault.line, fault.source) == ("", line, str(documents.folder / "in.yml"))


@pytest.mark.parametrize(
    "text",
    [
        "password: *hunter22",
        "password: !hunter22 x",
        "password: @hunter22",
        "password: hunter22: x",
        "password: 'hunter22",
        '{"password": "hunter22}',
        '{"password": hunter22',
        '{"password": "\\hunter22"',
        "password: %hunter22",
        "password: {hunter22",
        "%hunter22\n---\na: b",
        "password: !!int hunter22",
        "password: !!binary hunter22",
        "password: &hunter22",
    ],
)
def test_a_syntax_error_never_echoes_the_text(documents: Documents, text: str) -> None:
    assert not [fault for fault in documents.faults(text) if "hunter22" in str(fault)]


@pytest.mark.parametrize(
    ("text", "path", "line"),
    [
        ('{"url": "a",\n "url": "b"}', "url", 2),
        ('{\n\t"access": {\n\t\t"url": "a",\n\t\t"url": "b"}}', "access.url", 4),
        ('{"auth": {"password": "a",\n"\\u0070assword": "\\ud83d\\ude00"}}', "auth.password", 2),
        ("url: a\nurl: b\n", "url", 2),
        ("auth:\n  password: a\n  username: b\n  password: c\n", "auth.password", 4),
    ],
)
def test_a_key_that_is_given_twice_is_a_fault_with_its_line(
    documents: Documents, text: str, path: str, line: int
) -> None:
    fault = documents.fault(text)
    assert places([fault]) == [(path, line)]
    assert fault.message.startswith("given twice, first in line ")


@pytest.mark.parametrize(
    ("text", "path", "message"),
    [
        ("a: 1\ntrue: 2\n", "true", "a key must be a string: put it in quotes"),
        ("a: 1\n2: b\n", "2", "a key must be a string: put it in quotes"),
        ("a: 1\n? [x]\n: b\n", "", "a key must be a string; a variable {{name}} must be in quotes"),
        ("a: 1\nurl: {{name}}\n", "url", "a key must be a string; a variable {{name}} must be in quotes"),
        (
            "a: 1\nb: !!python/object:os.system x\n",
            "b",
            "a YAML tag that is not supported: put the value in quotes",
        ),
        ("a: 1\nb: !!set {x}\n", "b", "a YAML tag that is not supported: leave it out"),
        ("a: 1\nb: 2026-13-45\n", "b", "looks like a number or a date but is not one: put it in quotes"),
        ("a: 1\nb: &b [*b]\n", "b[0]", "an alias that contains itself"),
    ],
)
def test_what_yaml_allows_beyond_json_is_refused_with_its_line(
    documents: Documents, text: str, path: str, message: str
) -> None:
    fault = documents.fault(text)
    assert (fault.path, fault.line, fault.message) == (path, 2, message)


def test_aliases_and_merge_keys_are_taken(documents: Documents) -> None:
    text = """
        connector:
          command: red-connector-http
          access:
            headers: &common {X-A: one, X-B: two}
            <<: {url: "http://example.com/", headers: {X-A: lost}, method: PUT}
            auth: &auth {username: &name me, password: *name}
    """
    access = documents.access(text)
    assert access["headers"] == {"X-A": "one", "X-B": "two"}
    assert (access["method"], access["auth"]["password"]) == ("PUT", "me")


def test_aliases_that_expand_too_far_are_refused(documents: Documents) -> None:
    ten_times = [
        f"{new}: &{new} [{', '.join(['*' + old] * 10)}]"
        for old, new in zip("abcdefgh", "bcdefghi", strict=True)
    ]
    text = "\n".join(["a: &a [x, x, x, x, x, x, x, x, x, x]", *ten_times])
    fault = documents.fault(text)
    assert (fault.line, fault.message) == (7, "its aliases expand to more than 1,200,000 values")


@pytest.mark.parametrize(
    ("text", "path", "message"),
    [
        ("command: red-connector-http\nacess: {}", "acess", "unknown; did you mean access?"),
        ("command: red-connector-http\n_access: {}", "_access", "unknown; did you mean access?"),
        (
            "command: red-connector-http\nzzz: 1\naccess: {url: 'http://h/'}",
            "zzz",
            "unknown; known are: command, ",
        ),
        (
            "command: 1\naccess: {url: 'http://h/'}",
            "command",
            "must be a string, is an integer: put it in quotes",
        ),
        ("access: {url: 'http://h/'}\nmount: 'yes'", "mount", "must be true or false, is a string"),
        ("command: red-connector-http", "access", "required: the access data, a mapping"),
        ("command: red-connector-http\naccess: [1]", "access", "must be a mapping, is a list"),
        ("class: File", "connector", "required: a mapping with command and access"),
        (
            "class: File\nconnector: red-connector-http",
            "connector",
            "must be a mapping with command and access",
        ),
        ("class: Fil\nconnector: {access: {url: 'http://h/'}}", "class", "must be one of File, Directory"),
        ("class: [File]\nconnector: {access: {url: 'http://h/'}}", "class", "must be "),
        (
            "class: File\nconnector: {access: {url: 'http://h/'}, x: 1}",
            "connector.x",
            "unknown; known are: command",
        ),
        ("command: red-connector-http\nurl: http://h/", "url", "put it under access"),
        ("command: x\naccess: {url: 'http://h/'}\n_auth: {}", "_auth", "put it under access"),
        (
            "class: File\nconnector: {access: {}, url: 'http://h/'}",
            "connector.url",
            "put it under connector.",
        ),
        ("class: File\nurl: http://h/", "url", "put it under connector.access"),
        (
            "class: File\nsize: -1\nconnector: {access: {url: 'http://h/'}}",
            "size",
            "must be a number of bytes",
        ),
        (
            "class: File\nchecksum: sha1$00\nconnector: {access: {url: 'http://h/'}}",
            "checksum",
            "sha1 digests are 40",
        ),
        (
            "class: File\nlisting: []\nconnector: {access: {url: 'http://h/'}}",
            "listing",
            "only a Directory has one",
        ),
    ],
)
def test_errors_in_the_shape_name_the_key_and_the_correction(
    documents: Documents, text: str, path: str, message: str
) -> None:
    faults = {fault.path: fault for fault in documents.faults(text)}
    assert faults[path].message.startswith(message)
    assert faults[path].line > 0


def test_another_connectors_document_is_refused(documents: Documents) -> None:
    fault = documents.fault("command: red-connector-ssh\naccess: {url: 'http://h/'}")
    assert places([fault]) == [("command", 1)]
    assert fault.message == "says red-connector-ssh, but red-connector-http was called"
    fault = documents.fault("class: File\nconnector:\n  command: x\n  access: {url: 'http://h/'}")
    assert places([fault]) == [("connector.command", 3)]


@pytest.mark.parametrize(
    ("verb", "entry_class", "right"),
    [
        (RECEIVE_FILE, "Directory", "receive-dir"),
        (RECEIVE_DIR, "File", "receive-file"),
        (SEND_FILE, "Directory", "send-dir"),
    ],
)
def test_a_file_entry_is_not_for_a_directory_verb(documents: Documents, verb, entry_class, right) -> None:  # type: ignore[no-untyped-def]
    fault = documents.fault(f"class: {entry_class}\nconnector: {{access: {{url: 'http://h/'}}}}", verb)
    assert places([fault]) == [("class", 1)]
    assert right in fault.message


def test_a_file_entrys_size_and_checksum_are_kept(documents: Documents) -> None:
    digest = "0" * 39 + "A"
    text = f"class: File\nsize: 7\nchecksum: SHA1${digest}\nconnector: {{access: {{url: 'http://h/'}}}}"
    prepared = documents.prepared(text).promise
    assert (prepared.size, str(prepared.checksum)) == (7, f"sha1${digest.lower()}")


def test_a_directory_entrys_listing_is_used_unless_one_is_given(documents: Documents) -> None:
    text = "class: Directory\nconnector: {access: {url: 'http://h/'}}\nlisting: [{class: File, basename: a}]"
    embedded = documents.prepared(text, RECEIVE_DIR).promise.listing
    assert embedded is not None
    assert [entry.path for entry in embedded] == ["a"]
    given = documents.prepared(text, RECEIVE_DIR, '[{"class": "File", "basename": "b"}]').promise.listing
    assert given is not None
    assert [entry.path for entry in given] == ["b"]
    assert documents.prepared(text, RECEIVE_DIR, "[]").promise.listing == []
    assert documents.prepared("url: http://h/", RECEIVE_DIR).promise.listing is None


def test_a_fault_in_a_huge_listing_has_its_path_but_no_line(
    documents: Documents, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bounds, "MOST_LINES", 100)
    listing = '[{"class": "File", "basename": "a"},\n' + " " * 100 + '{"class": "File", "basename": ".."}]'
    assert places(documents.faults("url: http://h/", RECEIVE_DIR, listing)) == [("[1].basename", 0)]


def test_errors_in_document_and_listing_are_reported_together_each_with_its_source(
    documents: Documents,
) -> None:
    listing = '[\n{"class": "File", "basename": "../x"}]'
    faults = documents.faults("url: http://h/\nmethod: NO\nextra: 1\n", RECEIVE_DIR, listing)
    assert [(os.path.basename(fault.source), fault.path, fault.line) for fault in faults] == [
        ("in.yml", "method", 2),
        ("in.yml", "extra", 3),
        ("listing.json", "[0].basename", 2),
    ]


def test_a_listing_that_is_not_a_list_is_refused(documents: Documents) -> None:
    assert "must be a list" in documents.fault("url: http://h/", RECEIVE_DIR, '{"class": "File"}').message
    text = "class: Directory\nlisting: {}\nconnector: {access: {url: 'http://h/'}}"
    assert places([documents.fault(text, RECEIVE_DIR)]) == [("listing", 2)]


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (
            "access: {}\ncommand: ssh",
            "2: command: there is no connector ssh; did you mean red-connector-ssh?",
        ),
        ('{"access": {}, "command": "a\\u0000"}', "1: command: there is no connector a\\x00; there are "),
        ("url: http://h/\nmethod: GET", "1: command: required: the name of the connector (a string)"),
        ("class: File\nconnector:\n  access: {}", "2: connector.command: required: the name"),
        ("access: {}\ncommand: 7", "2: command: must be a string, is an integer: put it in quotes"),
    ],
)
def test_red_connectors_reports_the_line_where_the_connector_is_missing(
    documents: Documents, text: str, told: str
) -> None:
    source = documents.write(text)
    result = run("red-connectors", "receive-file", source, "x", env={"RED_RETRIES": "no"})
    assert result.code == 78
    assert f"{source}:{told}" in result.stderr
    assert result.stderr.count(source) == 1
    assert "RED_RETRIES" in result.stderr


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("comand: ssh\nacces: {}", ["1: comand: unknown; did you mean command?", "2: acces: unknown; did"]),
        ("class: File\nconnector:\n  acess: {}", ["2: connector.command: ", "3: connector.acess: unknown"]),
        ("url: http://h/", []),
    ],
)
def test_red_connectors_suggests_keys_that_may_be_a_misspelt_connector(
    documents: Documents, text: str, told: list[str]
) -> None:
    source = documents.write(text)
    result = run("red-connectors", "receive-file", source, "x")
    assert result.code == 78
    assert "command: required" in result.stderr
    assert ("did you mean" in result.stderr) is bool(told)
    for line in told:
        assert f"{source}:{line}" in result.stderr


def test_red_connectors_recognises_a_whole_red_file(documents: Documents) -> None:
    result = run("red-connectors", "receive-file", documents.write('redVersion: "9"\ninputs: {}'), "x")
    assert result.code == 78
    assert "cut out the connector of one input or output" in result.stderr


@pytest.mark.parametrize("name", ["ssh", "red-connector-ssh", "http-json"])
def test_a_connector_given_to_red_connectors_is_refused_with_the_right_call(name: str) -> None:
    result = run("red-connectors", name, "receive-file", "in.yml", "x")
    short = name.removeprefix("red-connector-")
    assert result.code == 64
    assert (
        f"hint: call red-connector-{short} itself: red-connector-{short} receive-file in.yml" in result.stderr
    )
    assert "did you mean" not in result.stderr


@pytest.mark.parametrize(
    ("name", "advice"),
    [
        ("http", "did you mean red-connector-http?"),
        ("HTTP_json", "did you mean red-connector-http-json?"),
        ("red-conector-http", "did you mean red-connector-http?"),
        ("red-connector-htp", "did you mean red-connector-http?"),
        ("red-connector-teapot", "there are red-connector-http, "),
        ("", "there are red-connector-http, "),
    ],
)
def test_an_unknown_connector_is_refused_with_a_suggestion(name: str, advice: str) -> None:
    assert registry.no_such(name).startswith(f"there is no connector {name}; {advice}")


@pytest.mark.parametrize(
    ("scalar", "value"),
    [
        *((word, word) for word in ("no", "NO", "yes", "on", "off", "y", "n", "12:30", "12:30:45", "0b2")),
        *((word, word) for word in ("1.2.3", "1e", "+", "-x", ".", "0x", "0xg", "_1", "1,000", "=", "nan")),
        *(("012", 12), ("0o12", 10), ("0x1F", 31), ("0b101", 5), ("-7", -7), ("+7", 7), ("1_000", 1000)),
        *(("1e3", 1000.0), ("1.", 1.0), (".5", 0.5), ("-1.5e-3", -0.0015), (".inf", float("inf"))),
        *(("true", True), ("False", False), ("TRUE", True), ("~", None), ("null", None), ("", None)),
        *(("'no'", "no"), ('"012"', "012"), ("!!str 012", "012"), ("!!int 012", 12), ("!!float 1", 1)),
        *(("!!bool true", True), ("!!null ~", None), ("|-\n  012", "012")),
    ],
)  # fmt: skip
def test_yaml_is_read_by_the_rules_of_version_1_2(documents: Documents, scalar: str, value: object) -> None:
    found = document.read(documents.write(f"x: {scalar}\nlast: 1\n")).access["x"]
    assert (found, type(found)) == (value, type(value))


@pytest.mark.parametrize(
    "scalar", ["!!int no", "!!bool 1", "!!float x", "!!null x", "2026-13-01", "!!int true", "9" * 5000]
)
def test_an_invalid_number_or_date_must_be_quoted(documents: Documents, scalar: str) -> None:
    with pytest.raises(ConfigError, match="looks like a number or a date but is not one: put it in quotes"):
        document.read(documents.write(f"x: {scalar}\n"))


def test_words_of_yaml_1_1_can_be_keys(documents: Documents) -> None:
    assert document.read(documents.write("no: 1\non: 2\n")).access == {"no": 1, "on": 2}
