"""Files and directories over SSH."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from connectors.access.schema import PASSPHRASE, PASSWORD, PRIVATE_KEY, USERNAME, Field, Schema, given
from connectors.model import MOUNT_DIR, RECEIVE_DIR, RECEIVE_FILE, SEND_DIR, SEND_FILE
from connectors.registry import Access
from connectors.ssh import ssh_rules

if TYPE_CHECKING:
    from connectors.ssh.ssh_remote import SshRemote
    from connectors.transfer.job import Job

EXECUTABLE = "red-connector-ssh"
SUMMARY = "files and directories over SSH"

VARIABLE = r"\{\{"
ONE_CIPHER = f"({'|'.join(ssh_rules.CIPHERS)})"

# JSON Schema: what goes together, flat or under auth
BY_LOGIN = [
    given("username"),
    {"oneOf": [given("password"), given("privateKey")]},
    {"anyOf": [{"not": given("passphrase")}, given("privateKey")]},
]
NO_LOGIN = {"not": {"anyOf": [given(key) for key in ssh_rules.LOGIN_KEYS]}}
ONE_LOGIN = {
    "oneOf": [{"allOf": [given("auth"), NO_LOGIN]}, {"allOf": [{"not": given("auth")}, *BY_LOGIN]}],
}
ONE_FILE = {
    "oneOf": [
        {"allOf": [given("filePath"), {"not": {"anyOf": [given("fileDir"), given("fileName")]}}]},
        {"allOf": [given("fileDir"), given("fileName"), {"not": given("filePath")}]},
    ]
}
ONE_DIRECTORY = {"oneOf": [given("dirPath"), given("dirName")]}

HOST: Field = {
    "type": "string",
    "required": True,
    "check_with": ssh_rules.host,
    "meta": {
        "doc": "Remote host domain name or IP address",
        "example": "example.com",
        "json": {"pattern": rf"^[^\s/@\\]+$|{VARIABLE}"},
    },
}

PORT: Field = {
    "type": "integer",
    "default": 22,
    "min": 1,
    "max": 65535,
    "meta": {"doc": "TCP port of SSH service on remote host", "example": 22},
}

HOST_KEY: Field = {
    "type": "string",
    "coerce": ssh_rules.plain_host_key,
    "check_with": ssh_rules.host_key,
    "meta": {
        "doc": "Key that the server must have: its fingerprint SHA256:… or its public key as one line",
        "json": {
            "pattern": rf"^({ssh_rules.FINGERPRINT.pattern}|{ssh_rules.LISTED.pattern}"
            rf"|([^@#\s]\S* +)?({'|'.join(ssh_rules.KEY_PARTS)}) +AAAA.*)$|{VARIABLE}"
        },
    },
}

LOGIN: Schema = {
    "username": {**USERNAME, "empty": False},
    "password": {**PASSWORD, "meta": {**PASSWORD["meta"], "optional": "yes, with privateKey"}},
    "privateKey": {
        **PRIVATE_KEY,
        "check_with": ssh_rules.private_key,
        "meta": {**PRIVATE_KEY["meta"], "optional": "yes, with password"},
    },
    "passphrase": PASSPHRASE,
}

AUTH: Field = {
    "type": "dict",
    "schema": LOGIN,
    "meta": {
        "doc": "Authentication information",
        "optional": "yes, with username",
        "json": {"allOf": BY_LOGIN},
    },
}


def _again(field: Field, doc: str = "", optional: str = "") -> Field:
    """``field`` where it stands a second time: the example document has it only once."""
    meta = {key: value for key, value in field["meta"].items() if key != "example"}
    meta |= {key: value for key, value in {"doc": doc, "optional": optional}.items() if value}
    return {**field, "meta": meta}


JUMP: Field = {
    "type": "dict",
    "schema": {
        "host": _again(HOST, "Domain name or IP address of the jump host"),
        "port": _again(PORT, "TCP port of its SSH service"),
        "auth": {
            "type": "dict",
            "required": True,
            "schema": {key: _again(field) for key, field in LOGIN.items()},
            "check_with": ssh_rules.login,
            "meta": {"doc": "Authentication information for it", "json": {"allOf": BY_LOGIN}},
        },
        "hostKey": _again(HOST_KEY, "Key that it must have, as above"),
    },
    "meta": {"doc": "Jump host: the remote host is reached through it"},
}


def _seconds(doc: str) -> Field:
    return {
        "type": "number",
        "check_with": ssh_rules.duration,
        "max": ssh_rules.LONGEST,
        "meta": {"doc": f"Seconds {doc}", "json": {"exclusiveMinimum": 0}},
    }


def _path(doc: str, check: Any, **meta: str) -> Field:
    return {"type": "string", "check_with": check, "meta": {"doc": doc, "json": {"minLength": 1}, **meta}}


def _schema(beside: ssh_rules.Beside, together: dict[str, Any], path: Schema) -> Schema:
    """The access data, either generation; ``path`` is what names the file or the directory."""
    flat = {
        key: _again(field, f"{field['meta']['doc']}; in place of auth.{key}", "yes, with auth")
        for key, field in LOGIN.items()
    }
    return {
        "host": HOST,
        # Always there by its default, so it carries what is to be said of several fields.
        "port": {**PORT, "beside": beside, "meta": {**PORT["meta"], "together": [ONE_LOGIN, together]}},
        "hostKey": HOST_KEY,
        "auth": AUTH,
        **flat,
        **path,
        "jump": JUMP,
        "timeout": _seconds("until there is a connection, or without one byte; else RED_TIMEOUT"),
        "authTimeout": _seconds("that the log-in may take"),
        "bannerTimeout": _seconds("until the server has identified itself"),
    }


FILE = _schema(
    ssh_rules.of_file,
    ONE_FILE,
    {
        "filePath": _path(
            "File on remote host: absolute, or relative to the log-in directory",
            ssh_rules.file_path,
            optional="yes, with fileDir and fileName",
            example="/home/username/files/data.csv",
        ),
        "fileDir": _path(
            "File directory on remote host; with fileName, in place of filePath",
            ssh_rules.path,
            optional="yes, with filePath",
        ),
        "fileName": _path("File name on remote host", ssh_rules.file_name, optional="yes, with filePath"),
    },
)

DIRECTORY = _schema(
    ssh_rules.of_directory,
    ONE_DIRECTORY,
    {
        "dirPath": _path(
            "Directory on remote host: absolute, or relative to the log-in directory",
            ssh_rules.path,
            optional="yes, with dirName",
            example="/home/username/files",
        ),
        "dirName": _path("The same as dirPath, in place of it", ssh_rules.path, optional="yes, with dirPath"),
    },
)

MOUNT: Schema = {
    **DIRECTORY,
    "writable": {
        "type": "boolean",
        "default": False,
        "meta": {"doc": "Whether files in the mounted directory can be changed"},
    },
    "ciphers": {
        "type": "string",
        "coerce": ssh_rules.comma_separated,
        "check_with": ssh_rules.ciphers,
        "meta": {
            "doc": f"Ciphers to use, a list or separated by commas: {', '.join(ssh_rules.CIPHERS)}",
            "json": {
                "type": ["string", "array"],
                "pattern": rf"^{ONE_CIPHER}(,{ONE_CIPHER})*$|{VARIABLE}",
                "items": {"type": "string"},
                "minItems": 1,
            },
        },
    },
}

SCHEMAS = {
    RECEIVE_FILE: FILE,
    SEND_FILE: FILE,
    RECEIVE_DIR: DIRECTORY,
    SEND_DIR: DIRECTORY,
    MOUNT_DIR: MOUNT,
}


@contextmanager
def connect(access: Access, job: "Job") -> Iterator["SshRemote"]:
    """The place on an SSH server that ``access`` names; nobody is asked before its ``open``."""
    from connectors.ssh.login import destination as place_
    from connectors.ssh.login.ssh_session import Session
    from connectors.ssh.ssh_remote import SshRemote

    place = place_.of(access)
    session = Session(place, job)
    try:
        yield SshRemote(session, place.path, job)
    finally:
        session.close()
