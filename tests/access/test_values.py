"""What the access data may hold: protected keys, variables, and the schema, every fault at its place."""

import os
import socket
from base64 import b64encode
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from types import SimpleNamespace

import pytest

from connectors import secrets
from connectors.access import schema
from connectors.access.variables import Variables
from connectors.errors import ConfigError
from connectors.model import RECEIVE_DIR, RECEIVE_FILE, Verb
from tests.support.documents import Documents, places

NOBODY = 65534


# Protected keys


def test_a_leading_underscore_means_the_same_key_and_marks_the_value(documents: Documents) -> None:
    text = "_url: http://h/\nauth: {_username: Somebody, _password: hunter22}"
    assert documents.access(text)["auth"] == {
        "username": "Somebody",
        "password": "hunter22",
        "method": "BASIC",
    }
    assert secrets.redact("Somebody at http://h/ with hunter22") == "******** at ******** with ********"


def test_everything_below_a_protected_key_is_secret(documents: Documents) -> None:
    documents.access("url: http://h/\n_auth: {username: Somebody, password: hunter22}")
    assert secrets.redact("Somebody") == "********"


def test_a_key_given_plain_and_protected_is_a_fault(documents: Documents) -> None:
    fault = documents.fault("url: http://h/\nauth:\n  username: a\n  password: b\n  _password: c")
    assert places([fault]) == [("auth._password", 5)]
    assert "keep one" in fault.message


def test_faults_name_a_protected_key_as_it_stands_in_the_document(documents: Documents) -> None:
    text = "connector:\n  access:\n    _url: 1\n    auth:\n      _username: [1]\n      _pasword: hunter22"
    faults = documents.faults(text)
    assert places(faults) == [
        ("connector.access._url", 3),
        ("connector.access.auth.password", 4),
        ("connector.access.auth._username", 5),
        ("connector.access.auth._pasword", 6),
    ]
    assert faults[3].message == "unknown; did you mean _password?"


# Variables


def test_a_variable_is_filled_from_a_file_before_the_environment(documents: Documents) -> None:
    (documents.secrets_dir / "host").write_text("from-file\n")
    environ = {"RED_VAR_host": "from-environment", "RED_VAR_path": "a/b"}
    assert (
        documents.access("url: 'http://{{host}}/{{ path }}'", environ=environ)["url"]
        == "http://from-file/a/b"
    )


@pytest.mark.parametrize(
    ("content", "value"),
    [
        (b"x", "x"),
        (b"x\n", "x"),
        (b"x\r\n", "x"),
        (b"x\n\n", "x\n"),
        (b" x ", " x "),
        (b"\xc3\xa9\r", "é\r"),
        (b"", ""),
    ],
)
def test_only_the_newline_that_ends_a_secret_file_is_dropped(
    documents: Documents, content: bytes, value: str
) -> None:
    (documents.secrets_dir / "v").write_bytes(content)
    plain = SimpleNamespace(
        EXECUTABLE="x", SCHEMAS={RECEIVE_FILE: schema.Schema({"key": {"type": "string"}})}
    )
    assert documents.access("key: '{{v}}'", connector=plain) == {"key": value}


def test_a_secret_file_may_be_a_link_as_kubernetes_makes_them(documents: Documents) -> None:
    (documents.secrets_dir / "..data").mkdir()
    (documents.secrets_dir / "..data" / "v").write_text("http://h/")
    (documents.secrets_dir / "v").symlink_to("..data/v")
    assert documents.access("url: '{{v}}'")["url"] == "http://h/"


def test_a_variables_value_is_literal_and_secret(documents: Documents) -> None:
    environ = {"RED_VAR_a": "{{b}}-{{missing}}", "RED_VAR_b": "expanded", "RED_VAR_name": "Somebody"}
    access = documents.access(
        "url: http://h/\nauth: {username: '{{name}}', password: '{{a}}'}", environ=environ
    )
    assert access["auth"]["password"] == "{{b}}-{{missing}}"
    assert secrets.redact("Somebody") == "********"


def test_unresolved_variables_are_reported_together_with_all_other_errors(documents: Documents) -> None:
    text = "url: 'http://{{one}}/{{two}}'\nmethod: '{{three}}'\nauth:\n  username: '{{four}}'\nextra: 1\n"
    faults = documents.faults(text)
    assert places(faults) == [
        ("url", 1),
        ("url", 1),
        ("method", 2),
        ("auth.password", 3),
        ("auth.username", 4),
        ("extra", 5),
    ]
    named = [fault.message for fault in faults]
    for index, name in ((0, "one"), (1, "two"), (2, "three"), (4, "four")):
        assert f"variable {name} is not set" in named[index]
        assert f"{documents.secrets_dir}/{name}" in named[index]
        assert f"RED_VAR_{name} in the environment (is it exported" in named[index]


@pytest.mark.parametrize(
    "text", ["{{}}", "{{ }}", "{{..}}", "{{a/b}}", "{{../x}}", "{{/etc/passwd}}", "{{{a}}}", "x{{a{{b}}"]
)
def test_double_braces_around_anything_but_a_name_are_a_fault(documents: Documents, text: str) -> None:
    fault = documents.fault(f"url: http://h/\nauth: {{username: a, password: '{text}'}}")
    assert places([fault]) == [("auth.password", 2)]
    assert fault.message.startswith("{{ }} must contain the name of a variable")


@pytest.mark.parametrize("name", ["pass word", "pässwörd", "a:b", " ends ", "..."])
def test_a_variables_name_is_taken_as_it_stands(documents: Documents, name: str) -> None:
    text = f"url: http://h/\nauth: {{username: a, password: '{{{{{name}}}}}'}}"
    access = documents.access(text, environ={f"RED_VAR_{name}": "from-environment"})
    assert access["auth"]["password"] == "from-environment"
    (documents.secrets_dir / name).write_text("from-file\n")
    assert documents.access(text)["auth"]["password"] == "from-file"


def test_keys_and_listings_hold_no_variables(documents: Documents) -> None:
    environ = {"RED_VAR_k": "url"}
    assert {fault.path for fault in documents.faults("'{{k}}': http://h/", environ=environ)} == {
        "{{k}}",
        "url",
    }


@pytest.mark.parametrize(
    ("make", "told"),
    [
        (lambda path: path.mkdir(), "is a directory"),
        (os.mkfifo, "is a named pipe"),
        (lambda path: path.symlink_to("/dev/null"), "is a device"),
        (lambda path: path.symlink_to("gone"), "is a broken link to gone"),
        (lambda path: path.symlink_to("..data/gone"), "is a broken link to ..data/gone"),
        (lambda path: path.write_bytes(bytes((1 << 20) + 1)), "is larger than 1024 KiB"),
        (lambda path: path.write_bytes(b"\xff"), "is not UTF-8 text"),
        (lambda path: socket.socket(socket.AF_UNIX).bind(str(path)), "is a socket"),
    ],
)
def test_what_cannot_be_read_in_place_of_a_secret_is_a_fault_with_its_name(
    documents: Documents, make: Callable[[Path], object], told: str
) -> None:
    make(documents.secrets_dir / "v")
    for environ in ({}, {"RED_VAR_v": "http://h/"}):
        fault = documents.fault("url: '{{v}}'", environ=environ)
        assert f"{documents.secrets_dir}/v" in fault.message
        assert told in fault.message
    assert documents.access("url: http://h/")["url"] == "http://h/", "nobody asked for it"


def test_a_secret_that_is_not_text_is_refused_without_showing_it(documents: Documents) -> None:
    (documents.secrets_dir / "v").write_bytes(b"hunter22\xff")
    fault = documents.fault("url: '{{v}}'")
    assert "is not UTF-8 text" in fault.message
    assert "hunter22" not in str(fault)
    environ = {"RED_VAR_w": os.fsdecode(b"\xff")}
    assert "RED_VAR_w is not UTF-8 text" in documents.fault("url: '{{w}}'", environ=environ).message


def test_a_secret_file_that_cannot_be_read_is_a_fault_with_its_name(documents: Documents) -> None:
    (documents.secrets_dir / "v").symlink_to("v")
    fault = documents.fault("url: '{{v}}'", environ={"RED_VAR_v": "http://h/"})
    assert f"{documents.secrets_dir}/v" in fault.message
    assert "cannot be read" in fault.message


def test_an_unreadable_secret_file_is_reported_with_our_user_id(documents: Documents) -> None:
    secret = documents.secrets_dir / "v"
    secret.write_text("hunter22")
    secret.chmod(0)
    variables = Variables(str(documents.secrets_dir), {})
    ourselves = os.geteuid()
    if ourselves == 0:  # root may read everything
        os.seteuid(NOBODY)
    try:
        with pytest.raises(ValueError, match="cannot be read: Permission denied") as caught:
            variables.find("v")
    finally:
        os.seteuid(ourselves)
    assert f"(running as user {ourselves or NOBODY}: docker run --user" in str(caught.value)


# The schema


def test_all_errors_are_reported_together_in_line_order(documents: Documents) -> None:
    text = """\
access:
  urk: http://example.com/
  METHOD: GET
  method: FETCH
  auth:
    username: 3
    password: [hunter22]
    method: KERBEROS
  disableSSLVerification: "yes"
  headers: nothing
"""
    faults = documents.faults(text)
    assert [(fault.path.removeprefix("access."), fault.line, fault.message) for fault in faults] == [
        ("url", 1, "required: URL starting with http:// or https:// (a string)"),
        ("urk", 2, "unknown; did you mean url?"),
        ("METHOD", 3, "unknown; did you mean method?"),
        ("method", 4, "must be one of GET, PUT, POST"),
        ("auth.username", 6, "must be a string, is an integer: put it in quotes"),
        ("auth.password", 7, "must be a string, is a list"),
        ("auth.method", 8, "must be one of BASIC, DIGEST, BEARER"),
        ("disableSSLVerification", 9, "must be true or false, is a string"),
        ("headers", 10, "must be a mapping, is a string"),
    ]


@pytest.mark.parametrize(
    ("auth", "paths"),
    [
        ("{username: a, method: KERBEROS}", {"auth.method", "auth.password"}),
        ("{method: 3}", {"auth.method", "auth.username", "auth.password"}),
        ("{username: a, method: '{{missing}}'}", {"auth.method", "auth.password"}),
        ("{token: a, method: OAUTH}", {"auth.method"}),
        ("{username: a, method: null}", {"auth.method", "auth.password"}),
    ],
)
def test_with_an_invalid_method_the_requirements_of_the_default_are_reported(
    documents: Documents, auth: str, paths: set[str]
) -> None:
    assert {fault.path for fault in documents.faults(f"url: http://h/\nauth: {auth}")} == paths


@pytest.mark.parametrize(
    ("text", "verb", "path", "told"),
    [
        ("url: http://h/\nchecksum: x", RECEIVE_FILE, "checksum", "belongs to an entry, which has class and"),
        (
            "url: http://h/\n_size: 3",
            RECEIVE_FILE,
            "_size",
            "belongs to an entry, which has class and connector",
        ),
        ("url: http://h/\nsize: 3", RECEIVE_DIR, "size", "belongs to a file: give it in the listing"),
        ("url: http://h/\nlisting: []", RECEIVE_DIR, "listing", "belongs to an entry"),
        ("access: {url: 'http://h/', size: 3}", RECEIVE_FILE, "access.size", "belongs to an entry"),
        ("access: {url: 'http://h/'}\nsize: 3", RECEIVE_FILE, "size", "belongs to an entry"),
        ("access: {url: 'http://h/', mount: true}", RECEIVE_DIR, "access.mount", "belongs beside access"),
        (
            "class: File\nconnector: {access: {url: 'http://h/'}, checksum: x}",
            RECEIVE_FILE,
            "connector.checksum",
            "belongs to the entry: put it beside connector",
        ),
        (
            "class: File\nconnector: {access: {url: 'http://h/', size: 1}}",
            RECEIVE_FILE,
            "connector.access.size",
            "belongs to the entry: put it beside connector",
        ),
    ],
)
def test_a_key_at_the_wrong_level_is_refused_with_the_right_level(
    documents: Documents, text: str, verb: Verb, path: str, told: str
) -> None:
    fault = documents.fault(text, verb)
    assert fault.path == path
    assert fault.message.startswith(told)


def test_an_unknown_key_is_refused_with_the_list_of_known_keys(documents: Documents) -> None:
    fault = documents.fault("url: http://h/\nzzzzzz: 1\n")
    assert fault.message.startswith("unknown; known are: url, method, auth, headers, ")


def test_a_null_is_not_taken_for_the_default(documents: Documents) -> None:
    faults = documents.faults('{"url": null, "method": null, "auth": null, "disableSSLVerification": null}')
    assert {fault.path for fault in faults} == {"auth", "url", "method", "disableSSLVerification"}
    assert all("is null: give it a value or leave the key out" in fault.message for fault in faults)


@pytest.mark.parametrize(
    ("value", "what"),
    [("2026-01-31", "a date"), ("12", "an integer"), ("1.5", "a number"), ("true", "a boolean")],
)
def test_a_yaml_value_that_is_not_a_string_must_be_quoted(
    documents: Documents, value: str, what: str
) -> None:
    fault = documents.fault(f"url: http://h/\nauth: {{username: a, password: {value}}}")
    assert fault.message == f"must be a string, is {what}: put it in quotes"


def test_a_value_is_never_echoed_whatever_is_wrong_with_it(documents: Documents) -> None:
    text = """\
url: "hunter22://u:hunter23@h/?token=hunter24"
method: hunter25
auth: {username: "a:hunter26", pasword: hunter27, password: {hunter: hunter28}, token: hunter29}
headers: {X: [hunter30], Y: "hunter31\\nhunter32"}
clientKey: /hunter33
clientKeyPassphrase: {a: hunter34}
zzz: hunter35
"""
    faults = documents.faults(text)
    assert len(faults) > 8
    assert "hunter2" not in " ".join(map(str, faults))
    assert "hunter3" not in " ".join(map(str, faults))


def test_a_lone_surrogate_is_refused(documents: Documents) -> None:
    fault = documents.fault('{"url": "http://h/",\n"auth": {"username": "\\ud800", "password": "x"}}')
    assert places([fault]) == [("auth.username", 2)]


def test_rubbish_nested_deeply_in_the_access_data_is_a_fault(documents: Documents) -> None:
    deep = '{"a":' * 100 + "1" + "}" * 100
    faults = documents.faults(f'{{"url": "http://h/", "headers": {deep}}}')
    assert any(fault.message == "is nested too deeply" for fault in faults)


def test_a_schema_may_demand_numbers_and_lists(documents: Documents) -> None:
    fields: dict[str, schema.Field] = {
        "port": {"type": "integer", "min": 1, "max": 65535, "default": 22, "meta": {"doc": "Port"}},
        "ciphers": {"type": "list", "schema": {"type": "string", "empty": False}},
        "format": {**schema.any_case("tar", "tar.gz"), "default": "tar"},
    }
    connector = SimpleNamespace(EXECUTABLE="x", SCHEMAS={RECEIVE_FILE: schema.Schema(fields)})
    assert documents.access("format: Tar.GZ", connector=connector) == {"format": "tar.gz", "port": 22}
    faults = documents.faults("port: 70000\nciphers: [a, '', 3]\n", connector=connector)
    assert [(fault.path, fault.message) for fault in faults] == [
        ("port", "must be at most 65535"),
        ("ciphers[1]", "must not be empty"),
        ("ciphers[2]", "must be a string, is an integer: put it in quotes"),
    ]
    assert documents.fault("port: true", connector=connector).message == "must be an integer, is a boolean"


def test_the_words_of_the_schema_stay_readable_when_a_secret_is_one_of_them(documents: Documents) -> None:
    documents.access("url: http://h/\nauth: {username: username, password: password}")
    assert secrets.redact("access.auth.password: required") == "access.auth.password: required"


def test_user_and_password_are_redacted_as_http_sends_them_however_short(documents: Documents) -> None:
    documents.access("url: http://h/\nauth: {username: me, password: pw}")
    assert secrets.redact(f"Basic {b64encode(b'me:pw').decode()}") == "Basic ********"


def test_without_a_password_the_username_is_not_redacted(documents: Documents) -> None:
    for password in ('""', "", "null"):
        with suppress(ConfigError):
            documents.access(f"url: http://h/\nauth: {{username: me, password: {password}}}")
        assert secrets.redact("cannot log in as me: no") == "cannot log in as me: no"


def test_a_key_with_dots_is_found_in_its_own_line(documents: Documents) -> None:
    fault = documents.fault("url: http://h/\nheaders:\n  X: a\n  X.Y: 3\n")
    assert places([fault]) == [("headers.X.Y", 4)]
