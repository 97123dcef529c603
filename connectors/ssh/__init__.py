"""Files and directories over SSH."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from connectors.access.rules import Check, Rule
from connectors.access.schema import PASSPHRASE, PASSWORD, PRIVATE_KEY, USERNAME, Field, Schema
from connectors.model import MOUNT_DIR, RECEIVE_DIR, RECEIVE_FILE, SEND_DIR, SEND_FILE, Access, Verb
from connectors.ssh import ssh_rules

if TYPE_CHECKING:
    from connectors.ssh.ssh_remote import SshRemote
    from connectors.transfer.job import Job

EXECUTABLE = "red-connector-ssh"
SUMMARY = "files and directories over SSH"

HOST: Field = {
    "type": "string",
    "required": True,
    "check_with": ssh_rules.host,
    "meta": {
        "doc": "Remote host domain name or IP address",
        "example": "example.com",
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
    },
}

LOGIN: dict[str, Field] = {
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
    "schema": Schema(LOGIN),  # its rules are among those of the whole: it may also be given flat
    "meta": {"doc": "Authentication information", "optional": "yes, with username"},
}


def _again(field: Field, doc: str = "", optional: str = "") -> Field:
    """``field`` where it stands a second time: the example document has it only once."""
    meta = {key: value for key, value in field["meta"].items() if key != "example"}
    meta |= {key: value for key, value in {"doc": doc, "optional": optional}.items() if value}
    return {**field, "meta": meta}


JUMP: Field = {
    "type": "dict",
    "schema": Schema(
        {
            "host": _again(HOST, "Domain name or IP address of the jump host"),
            "port": _again(PORT, "TCP port of its SSH service"),
            "auth": {
                "type": "dict",
                "required": True,
                "schema": Schema({key: _again(field) for key, field in LOGIN.items()}, ssh_rules.LOGIN),
                "meta": {"doc": "Authentication information for it"},
            },
            "hostKey": _again(HOST_KEY, "Key that it must have, as above"),
        }
    ),
    "meta": {"doc": "Jump host: the remote host is reached through it"},
}


def _seconds(doc: str) -> Field:
    return {
        "type": "number",
        "check_with": ssh_rules.duration,
        "max": ssh_rules.LONGEST,
        "meta": {"doc": f"Seconds {doc}"},
    }


def _path(doc: str, check: Check, **meta: str) -> Field:
    return {"type": "string", "check_with": check, "meta": {"doc": doc, **meta}}


def _schema(rules: Iterable[Rule], path: dict[str, Field], **more: Field) -> Schema:
    """The access data, either generation; ``path`` are the fields that name the file or the directory."""
    flat = {
        key: _again(field, f"{field['meta']['doc']}; in place of auth.{key}", "yes, with auth")
        for key, field in LOGIN.items()
    }
    fields = {
        "host": HOST,
        "port": PORT,
        "hostKey": HOST_KEY,
        "auth": AUTH,
        **flat,
        **path,
        "jump": JUMP,
        "timeout": _seconds("to connect, and without a byte received; default: RED_TIMEOUT"),
        "authTimeout": _seconds("for the log-in"),
        "bannerTimeout": _seconds("until the server identifies itself"),
        **more,
    }
    return Schema(fields, rules)


FILE = _schema(
    ssh_rules.FILE,
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

DIRECTORY_PATH = {
    "dirPath": _path(
        "Directory on remote host: absolute, or relative to the log-in directory",
        ssh_rules.path,
        optional="yes, with dirName",
        example="/home/username/files",
    ),
    "dirName": _path("The same as dirPath, in place of it", ssh_rules.path, optional="yes, with dirPath"),
}

DIRECTORY = _schema(ssh_rules.DIRECTORY, DIRECTORY_PATH)

MOUNT = _schema(
    ssh_rules.DIRECTORY,
    DIRECTORY_PATH,
    writable={
        "type": "boolean",
        "default": False,
        "meta": {"doc": "Whether files in the mounted directory can be changed"},
    },
    ciphers={
        "type": "string",
        "coerce": ssh_rules.comma_separated,
        "check_with": ssh_rules.ciphers,
        "meta": {"doc": f"Ciphers to use, a list or separated by commas: {', '.join(ssh_rules.CIPHERS)}"},
    },
)

SCHEMAS = {
    RECEIVE_FILE: FILE,
    SEND_FILE: FILE,
    RECEIVE_DIR: DIRECTORY,
    SEND_DIR: DIRECTORY,
    MOUNT_DIR: MOUNT,
}


@contextmanager
def connect(access: Access, verb: Verb, job: "Job") -> Iterator["SshRemote"]:
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
