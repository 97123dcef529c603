"""A call imports what it uses and nothing else: agents start a connector several times for every file."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.keys import PASSPHRASE, made

ROOT = Path(__file__).resolve().parents[2]
LIBRARIES = {"cerberus", "yaml", "pycurl", "tqdm", "ijson", "paramiko", "cryptography"}
HEAVY = (*LIBRARIES, "argparse", "email", "ssl", "hashlib", "socket")

PROBE = """
import json, sys
sys.argv = ["", *{arguments!r}]
sys.path.insert(0, {root!r})
from connectors import cli
code = cli.main(sys.argv[1:])
print(json.dumps([code, sorted(set(sys.modules) & set({heavy!r}))]))
"""


def start(*arguments: str) -> tuple[int, set[str]]:
    """The exit code of the program, and which of the HEAVY modules it imported."""
    probe = PROBE.format(arguments=list(arguments), root=str(ROOT), heavy=HEAVY)
    done = subprocess.run(
        [sys.executable, "-c", probe], capture_output=True, text=True, timeout=60, check=True
    )
    code, modules = json.loads(done.stdout.splitlines()[-1])
    return code, set(modules)


def test_the_version_of_the_command_line_costs_no_import() -> None:
    assert start("red-connector-http", "cli-version") == (0, set())


def test_help_costs_no_import() -> None:
    assert start("red-connectors", "--help") == (0, set())
    assert start("red-connector-http", "--version") == (0, set())


@pytest.fixture
def access(tmp_path: Path) -> str:
    document = tmp_path / "access.json"
    document.write_text('{"url": "http://example.com/x"}')
    return str(document)


def test_checking_a_document_in_json_costs_cerberus_alone(access: str) -> None:
    code, modules = start("red-connector-http", "receive-file-validate", "--offline", access)
    assert code == 0
    assert modules & LIBRARIES == {"cerberus"}


def test_checking_a_document_with_a_private_key_costs_cerberus_alone(tmp_path: Path) -> None:
    key, document = made("ed25519", "OpenSSH", encrypted=True), tmp_path / "ssh.json"
    auth = {"username": "me", "privateKey": key.text, "passphrase": PASSPHRASE}
    fields = {"host": "h", "hostKey": key.public, "auth": auth, "filePath": "x"}
    document.write_text(json.dumps(fields))
    code, modules = start("red-connector-ssh", "receive-file-validate", "--offline", str(document))
    assert code == 0
    assert modules & LIBRARIES == {"cerberus"}


def test_checking_a_document_for_xnat_costs_cerberus_alone(tmp_path: Path) -> None:
    document = tmp_path / "xnat.json"
    fields = {"baseUrl": "https://example.com/xnat", "project": "p", "resource": "r", "file": "x"}
    document.write_text(json.dumps({**fields, "auth": {"username": "me", "password": "secret"}}))
    code, modules = start("red-connector-xnat-http", "receive-file-validate", "--offline", str(document))
    assert code == 0
    assert modules & LIBRARIES == {"cerberus"}


def test_missing_a_passphrase_costs_no_library_of_keys(tmp_path: Path) -> None:
    key, document = made("ed25519", "OpenSSH", encrypted=True), tmp_path / "ssh.json"
    fields = {"host": "h", "auth": {"username": "me", "privateKey": key.text}, "filePath": "x"}
    document.write_text(json.dumps(fields))
    code, modules = start("red-connector-ssh", "receive-file-validate", "--offline", str(document))
    assert code == 78
    assert not modules & {"paramiko", "cryptography"}


def test_a_failure_before_the_first_request_does_not_import_libcurl(access: str, tmp_path: Path) -> None:
    code, modules = start("red-connector-http", "send-file", access, str(tmp_path / "missing"))
    assert code == 66
    assert "pycurl" not in modules
