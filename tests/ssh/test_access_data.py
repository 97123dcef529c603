"""The access data of the SSH connector, in both generations: what is taken, and what is refused and why."""

import itertools
import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from connectors import secrets, ssh
from connectors.errors import ConfigError
from connectors.model import MOUNT_DIR, RECEIVE_DIR, RECEIVE_FILE, SEND_DIR, SEND_FILE, Verb
from connectors.ssh.login import destination
from connectors.ssh.login.destination import Login, Place, Server
from tests.support.documents import Documents, checker
from tests.support.keys import made
from tests.support.ssh_access import BOTH, PASSWORD, flat, later, refused, refused_by_both, taken

FILES = [RECEIVE_FILE, SEND_FILE]
DIRECTORIES = [RECEIVE_DIR, SEND_DIR, MOUNT_DIR]

DOCUMENTED = """\
command: "red-connector-ssh"
access:
  host: "example.com"
  port: 22
  username: "username"
  password: "password"
  fileDir: "/home/username/files"
  fileName: "data.csv"
"""
KEY = made("ed25519", "OpenSSH", encrypted=False).text


@pytest.mark.parametrize("verb", FILES)
def test_the_documented_example_is_taken_as_it_is(documents: Documents, verb: Verb) -> None:
    assert documents.access(DOCUMENTED, verb, connector=ssh) == yaml.safe_load(DOCUMENTED)["access"]
    named = taken(documents, yaml.safe_load(DOCUMENTED)["access"], verb)
    login = Login("username", "password")
    assert named == Place(Server("example.com", 22, login), "/home/username/files/data.csv")


@pytest.mark.parametrize("verb", [*FILES, *DIRECTORIES])
def test_old_and_new_keys_name_the_same_target(documents: Documents, verb: Verb) -> None:
    if verb.of_directory:
        old, new = {"dirName": "x/y"}, {"dirPath": "x/y"}
    else:
        old, new = {"fileDir": "x", "fileName": "y"}, {"filePath": "x/y"}
    who = {"username": "me", "password": PASSWORD}
    first = taken(documents, {"host": "h", **who, **old}, verb)
    assert first == taken(documents, {"host": "h", "auth": who, **new}, verb)
    assert first == taken(documents, {"host": "h", "_auth": who, **old}, verb)
    assert first == taken(documents, {"_host": "h", "_username": "me", "_password": PASSWORD, **new}, verb)
    assert first == Place(Server("h", 22, Login("me", PASSWORD)), "x/y")


def test_a_key_may_be_at_the_top_level_or_under_auth(documents: Documents) -> None:
    who = {"username": "me", "privateKey": KEY, "passphrase": "pass phrase"}
    first = taken(documents, flat(password=None, **who))
    assert first.server.login == Login("me", private_key=KEY, passphrase="pass phrase")
    assert taken(documents, later(auth=who)).server.login == first.server.login


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("/a/b", "/a/b"),
        ("a/b", "a/b"),
        ("~/a/b", "a/b"),
        ("~//b", "b"),
        ("./~/b", "./~/b"),
        ("~a", "~a"),
        ("a b'\"\n\\*?#%é", "a b'\"\n\\*?#%é"),
    ],
)
def test_paths_are_absolute_or_relative_to_the_login_directory(
    documents: Documents, written: str, meant: str
) -> None:
    assert taken(documents, later(filePath=written)).path == meant
    assert taken(documents, later(filePath=None, dirPath=written), RECEIVE_DIR).path == meant
    folder, slash, name = written.rpartition("/")
    if slash:
        joined = taken(documents, flat(fileDir=folder or "/", fileName=name)).path
        assert joined == meant or written == "~//b"


@pytest.mark.parametrize("directory", ["~", "~/"])
def test_a_directory_may_be_the_login_directory_itself(documents: Documents, directory: str) -> None:
    assert taken(documents, later(filePath=None, dirPath=directory), RECEIVE_DIR).path == ""


@pytest.mark.parametrize(
    ("folder", "name", "path"),
    [("/", "b", "/b"), ("/a/", "b", "/a/b"), ("~", "b", "b"), ("~/a", "b/c", "a/b/c"), (".", "b", "./b")],
)
def test_file_dir_and_file_name_are_joined(documents: Documents, folder: str, name: str, path: str) -> None:
    assert taken(documents, flat(fileDir=folder, fileName=name)).path == path


@pytest.mark.parametrize("path", ["", "~", "/", "a/", "a/.", "a/..", "..", "~/", "a\0b"])
def test_paths_that_name_no_file_are_refused(documents: Documents, path: str) -> None:
    assert list(refused(documents, later(filePath=path))) == ["filePath"]


@pytest.mark.parametrize("name", ["", ".", "..", "a/", "/etc/passwd", "a\0b"])
def test_file_names_that_name_no_file_below_file_dir_are_refused(documents: Documents, name: str) -> None:
    assert list(refused(documents, flat(fileName=name))) == ["fileName"]


@pytest.mark.parametrize("path", ["", "a\0b"])
def test_impossible_directory_paths_are_refused(documents: Documents, path: str) -> None:
    for key in ("dirPath", "dirName"):
        assert list(refused(documents, later(filePath=None, **{key: path}), RECEIVE_DIR)) == [key]
    assert list(refused(documents, flat(fileDir=path))) == ["fileDir"]


@pytest.mark.parametrize(
    ("access", "verb", "expected"),
    [
        (
            later(**BOTH),
            RECEIVE_FILE,
            {
                "username": "is given both flat and under auth: keep one",
                "password": "is given both flat and under auth: keep one",
            },
        ),
        (
            later(auth={"username": "me"}, password="x"),
            RECEIVE_FILE,
            {"password": "is given beside auth: put it under auth"},
        ),
        (
            later(auth={**BOTH, "privateKey": "-----BEGIN "}),
            RECEIVE_FILE,
            {
                "auth.password": "is given together with privateKey: keep password or privateKey",
                "auth.privateKey": "contains no",
            },
        ),
        (
            flat(privateKey="x\ny"),
            RECEIVE_FILE,
            {
                "password": "is given together with privateKey: keep password or privateKey",
                "privateKey": "contains no private key",
            },
        ),
        (flat(passphrase="x"), RECEIVE_FILE, {"passphrase": "needs privateKey as well"}),
        (later(auth=None), RECEIVE_FILE, {"auth": "required: username, and password or privateKey"}),
        (
            flat(password=None),
            RECEIVE_FILE,
            {"password": "required: password or privateKey (no other way to log in is tried)"},
        ),
        (
            later(auth={}),
            RECEIVE_FILE,
            {
                "auth.username": "required: the user to log in as",
                "auth.password": "required: password or privateKey (no other way to log in is tried)",
            },
        ),
        (
            later(fileName="b"),
            RECEIVE_FILE,
            {"filePath": "is given together with fileName: keep filePath, or fileDir with fileName"},
        ),
        (
            flat(filePath="b"),
            RECEIVE_FILE,
            {
                "filePath": "is given together with fileDir and fileName: "
                "keep filePath, or fileDir with fileName"
            },
        ),
        (
            later(filePath=None),
            SEND_FILE,
            {"filePath": "required: filePath, or fileDir with fileName (strings)"},
        ),
        (flat(fileDir=None), SEND_FILE, {"fileDir": "required with fileName: a string"}),
        (flat(fileName=None), SEND_FILE, {"fileName": "required with fileDir: a string"}),
        (
            later(filePath=None),
            RECEIVE_DIR,
            {"dirPath": "required: dirPath or dirName (the whole path of the directory, a string)"},
        ),
        (
            later(filePath=None, dirPath="a", dirName="a"),
            SEND_DIR,
            {"dirPath": "is given together with dirName: keep dirPath or dirName"},
        ),
        (later(dirPath="a"), SEND_DIR, {"filePath": "unknown; did you mean dirPath?"}),
        (later(writable=True), RECEIVE_FILE, {"writable": "unknown"}),
        (later(host=None), RECEIVE_FILE, {"host": "required: Remote host domain name"}),
        (later(jump={}), RECEIVE_FILE, {"jump.host": "required: ", "jump.auth": "required: "}),
        (
            later(jump={"host": "j", "username": "me", "auth": BOTH}),
            RECEIVE_FILE,
            {"jump.username": "unknown"},
        ),
        (
            later(jump={"host": "j", "auth": {"username": "", "password": "x", "passphrase": "y"}}),
            RECEIVE_FILE,
            {"jump.auth.username": "must not be empty", "jump.auth.passphrase": "needs privateKey as well"},
        ),
    ],
)
def test_mixed_duplicate_and_missing_keys_are_refused_by_name(
    documents: Documents, access: dict[str, Any], verb: Verb, expected: dict[str, str]
) -> None:
    found = refused_by_both(documents, access, verb)
    assert found.keys() == expected.keys()
    for path, message in expected.items():
        assert found[path].startswith(message)


def test_all_errors_are_reported_together(documents: Documents) -> None:
    access = {
        "hosts": "h",
        "port": "22",
        "username": "a\nb",
        "password": 7,
        "auth": {"_username": "x", "passwrd": "y"},
        "timeout": 0,
        "fileName": "b/",
        "hostKey": "x",
        "jump": {"host": "h:22", "port": 0, "auth": {"_password": ["z"]}},
    }
    assert {fault.path for fault in documents.faults(json.dumps(access), connector=ssh)} == {
        *("host", "hosts", "port", "username", "password", "auth.passwrd", "timeout", "fileName", "fileDir"),
        *("hostKey", "jump.host", "jump.port", "jump.auth._password", "jump.auth.username"),
    }


@pytest.mark.parametrize(
    ("fields", "path", "message"),
    [
        ({"port": "22"}, "port", "must be an integer, is a string: write the number alone, without quotes"),
        ({"port": "ssh"}, "port", "must be an integer, is a string"),
        ({"timeout": "10s"}, "timeout", "must be a number, is a string: write the number alone, without"),
        ({"host": None, "hostname": "h"}, "hostname", "unknown; did you mean host?"),
        ({"host": None, "_hostname": "h"}, "_hostname", "unknown; did you mean _host?"),
        ({"filePath": None, "path": "h"}, "path", "unknown; did you mean filePath?"),
        ({"auth": {"username": "me", "pass": "x"}}, "auth.pass", "unknown; did you mean password?"),
        ({"jump": {"hostname": "h", "auth": BOTH}}, "jump.hostname", "unknown; did you mean host?"),
    ],
)
def test_a_likely_mistake_is_refused_with_the_right_key(
    documents: Documents, fields: dict[str, Any], path: str, message: str
) -> None:
    assert refused_by_both(documents, later(**fields))[path].startswith(message)


LOGINS = {"username": "me", "password": PASSWORD, "privateKey": KEY, "passphrase": "x"}
PATHS = {"filePath": "a", "fileDir": "b", "fileName": "c", "dirPath": "d", "dirName": "e"}


def choices(fields: dict[str, Any]) -> list[dict[str, Any]]:
    """Every choice of ``fields``, the first of them protected now and then."""
    found = []
    for count in range(len(fields) + 1):
        for number, names in enumerate(itertools.combinations(fields, count)):
            chosen = {name: fields[name] for name in names}
            if number % 2 and names:
                chosen[f"_{names[0]}"] = chosen.pop(names[0])
            found.append(chosen)
    return found


@pytest.mark.slow
def test_the_json_schema_takes_exactly_the_forms_that_validation_takes(documents: Documents) -> None:
    logins = [*choices(LOGINS), *({"auth": auth} for auth in choices(LOGINS))]
    logins += [{**flat, "_auth": auth} for flat in choices(LOGINS)[1:] for auth in choices(LOGINS)]
    host, who = {"host": "h"}, {"auth": BOTH}
    accesses = [{**host, **login, "filePath": "a"} for login in logins]
    accesses += [{**host, **who, **path} for path in choices(PATHS)]
    accesses += [{**host, **who, "dirPath": "a", "jump": {**host, "auth": auth}} for auth in choices(LOGINS)]
    accesses += [
        {**host, **who, "dirPath": "a", "jump": {**flat, **who}} for flat in (*choices(host), LOGINS)
    ]
    accesses += [{**who, "filePath": "a"}]
    for verb in (SEND_FILE, MOUNT_DIR):
        schema = checker(ssh.EXECUTABLE, verb)
        sound = 0
        for access in accesses:
            try:
                documents.access(json.dumps(access), verb, connector=ssh)
                taken = True
            except ConfigError:
                taken = False
            assert schema.is_valid(access) == taken, access
            sound += taken
        assert sound == {SEND_FILE: 8, MOUNT_DIR: 6}[verb]


def test_a_mount_is_read_only_by_default(documents: Documents) -> None:
    access = later(filePath=None, dirPath="a")
    assert documents.access(json.dumps(access), MOUNT_DIR, connector=ssh)["writable"] is False
    access["writable"] = True
    assert documents.access(json.dumps(access), MOUNT_DIR, connector=ssh)["writable"] is True


def test_a_variable_may_stand_in_for_any_string(documents: Documents) -> None:
    access = {
        "host": "{{h}}",
        "hostKey": "{{hk}}",
        "auth": {"username": "{{u}}", "privateKey": "{{k}}", "passphrase": "{{p}}"},
        "dirPath": "{{d}}",
        "ciphers": "{{c}}",
    }
    assert not list(checker(ssh.EXECUTABLE, MOUNT_DIR).iter_errors(access))
    values = {
        "h": "h",
        "hk": "SHA256:" + "a" * 43,
        "u": "u",
        "k": KEY,
        "p": "pp",
        "d": "~/x",
        "c": "aes128-ctr",
    }
    environ = {f"RED_VAR_{name}": value for name, value in values.items()}
    named = destination.of(documents.access(json.dumps(access), MOUNT_DIR, environ=environ, connector=ssh))
    assert named.server == Server("h", 22, Login("u", "", KEY, "pp"), "SHA256:" + "a" * 43)
    assert (named.path, named.ciphers) == ("x", ("aes128-ctr",))


def test_no_message_holds_a_password_a_key_or_a_passphrase(documents: Documents) -> None:
    """Elsewhere validation printed the values, and neither keys nor passphrases were secrets."""
    broken = KEY.replace("BEGIN OPENSSH", "BEGIN OPENSSL")
    access = flat(privateKey=broken, passphrase="pass phrase", port="x", jump={"host": "j", "auth": BOTH})
    text = "\n".join(str(fault) for fault in documents.faults(json.dumps(access), connector=ssh))
    for secret in (PASSWORD, "pass phrase", *KEY.splitlines()[1:-1]):
        assert secret not in text
        assert secret not in secrets.redact(f"a {secret} b")
    assert secrets.redact("pass phrase") == "********"


def test_the_path_of_a_key_is_not_secret_but_an_invalid_key_is(documents: Documents) -> None:
    path = documents.write(KEY, "key")
    documents.access(json.dumps(later(auth={"username": "me", "privateKey": path})), connector=ssh)
    assert secrets.redact(f"the key {path}") == f"the key {path}"
    mangled = KEY.splitlines()[2]
    documents.faults(json.dumps(later(auth={"username": "me", "privateKey": mangled})), connector=ssh)
    assert secrets.redact(mangled) == "********"


def test_the_pieces_of_a_key_whose_lines_were_joined_are_secret(documents: Documents) -> None:
    documents.access(
        json.dumps(later(auth={"username": "me", "privateKey": " ".join(KEY.split("\n"))})), connector=ssh
    )
    lines = KEY.splitlines()
    inside = "".join(lines[1:-1])
    for start in range(0, len(inside) - 64, 64):
        assert inside[start : start + 64] not in secrets.redact(f"x {inside[start : start + 64]} y")


def test_a_relative_target_is_taken(documents: Documents, tmp_path: Path) -> None:
    """Elsewhere it was refused."""
    from tests.support.program import run

    result = run(ssh.EXECUTABLE, "receive-file", flat(host="127.0.0.1", port=1), "data.csv", cwd=tmp_path)
    assert result.code == 75
