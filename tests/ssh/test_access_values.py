"""The values in access data of the SSH connector: hosts, limits, keys, host keys, ciphers."""

import json
from pathlib import Path
from typing import Any

import paramiko
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from connectors import ssh
from connectors.model import MOUNT_DIR
from connectors.ssh import ssh_rules
from connectors.ssh.login.destination import Login, Server
from tests.support.documents import Documents, patient
from tests.support.keys import KEYS, MADE, WAYS, Key, made, ways
from tests.support.ssh_access import BOTH, PASSWORD, flat, later, refused, refused_by_both, taken

ENCRYPTED = [key for key in KEYS if key.encrypted]
HOST_KEYS = [f"{made(name, 'PKCS8', encrypted=False).public} root@a host" for name in MADE]


@pytest.mark.parametrize(
    ("host", "meant"),
    [
        ("example.com", "example.com"),
        ("localhost", "localhost"),
        ("host_1.local.", "host_1.local."),
        ("10.0.0.1", "10.0.0.1"),
        ("::1", "::1"),
        ("[::1]", "::1"),
        ("fe80::1%eth0", "fe80::1%eth0"),
        ("bücher.example", "bücher.example"),
    ],
)
def test_hosts_are_names_or_addresses(documents: Documents, host: str, meant: str) -> None:
    jump = {"host": host, "auth": BOTH}
    named = taken(documents, later(host=host, jump=jump))
    assert named.server.host == meant
    assert named.jump == Server(meant, 22, Login("me", PASSWORD))


@pytest.mark.parametrize(
    "host",
    [
        *(
            "",
            " ",
            "a b",
            "a\n",
            "a\0",
            "-oProxyCommand=x",
            "ssh://h",
            "me@h",
            "h:22",
            "[::1]:22",
            "h/x",
            "[h]",
        ),
        *("[::1", "::1]", "a..b", ".a", "ä" * 70, "a" * 64, "$(x)", "`x`", "h;x", "h,x", "\u2028", ":::"),
    ],
)
def test_invalid_hosts_are_refused(documents: Documents, host: str) -> None:
    found = refused(documents, later(host=host))
    assert found == {
        "host": "must be a host name or address alone: username, port and path have keys of their own"
    }


@pytest.mark.parametrize("port", [0, -1, 65536, "22", True, 22.5])
def test_ports_are_numbers_from_1_to_65535(documents: Documents, port: Any) -> None:
    assert list(refused_by_both(documents, later(port=port))) == ["port"]


def test_time_limits_are_seconds(documents: Documents) -> None:
    named = taken(documents, later(timeout=5, authTimeout=0.5, bannerTimeout=86400))
    assert (named.timeout, named.auth_timeout, named.banner_timeout) == (5, 0.5, 86400)
    named = taken(documents, later())
    assert (named.timeout, named.auth_timeout, named.banner_timeout) == (None, None, None)


@pytest.mark.parametrize("seconds", [0, -1, -0.5, "5", True, 86401, 1e300])
def test_time_limits_out_of_range_are_refused(documents: Documents, seconds: Any) -> None:
    for key in ("timeout", "authTimeout", "bannerTimeout"):
        assert list(refused_by_both(documents, later(**{key: seconds}))) == [key]


@pytest.mark.parametrize("seconds", [".nan", ".inf", "-.inf"])
def test_time_limits_that_are_not_numbers_are_refused(documents: Documents, seconds: str) -> None:
    text = yaml.safe_dump(later()) + f"timeout: {seconds}\n"
    assert {fault.path for fault in documents.faults(text, connector=ssh)} == {"timeout"}


def test_host_keys_are_fingerprints_or_public_keys(documents: Documents) -> None:
    assert {line.split()[0] for line in HOST_KEYS} == set(ssh_rules.KEY_PARTS)
    for line in HOST_KEYS:
        plain = paramiko.PKey.from_type_string(line.split()[0], ssh_rules.public_key(line) or b"")
        for written in (line, " ".join(line.split()[:2]), plain.fingerprint):
            named = taken(
                documents, later(hostKey=written, jump={"host": "j", "auth": BOTH, "hostKey": written})
            )
            assert named.server.host_key == written
            assert named.jump is not None
            assert named.jump.host_key == written


def test_invalid_host_keys_are_refused(documents: Documents) -> None:
    ed25519, rsa = HOST_KEYS[-1], HOST_KEYS[0]
    swapped = f"{ed25519.split()[0]} {rsa.split()[1]}"
    wrong = [
        *(
            "",
            "SHA256:",
            "SHA256:" + "a" * 42,
            "SHA256:" + "a" * 44,
            "sha256:" + "a" * 43,
            "MD5:" + "aa:" * 16,
        ),
        *("ssh-ed25519", "ssh-ed25519 AAAA", "ssh-dss AAAA", swapped, ed25519[:-30]),
        *(ed25519.replace("AAAA", "AAA!"), f"{ed25519}\n{rsa}", rsa.split()[1]),
    ]
    for written in wrong:
        found = refused(documents, later(hostKey=written))
        assert list(found) == ["hostKey"], written
        assert found["hostKey"].startswith("must be a fingerprint")


@pytest.mark.parametrize("key", ENCRYPTED, ids=lambda key: key.name)
def test_an_encrypted_key_without_its_passphrase_is_refused_by_path(
    documents: Documents, key: Key, tmp_path: Path
) -> None:
    file = tmp_path / "id"
    file.write_text(key.text)
    for written in [*(WAYS[way](key.text) for way in ways(key.text)), str(file)]:
        who = {"username": "me", "privateKey": written}
        for path, access in {
            "privateKey": flat(password=None, **who),
            "auth.privateKey": later(auth=who),
            "auth._privateKey": later(auth={"username": "me", "_privateKey": written, "passphrase": ""}),
            "jump.auth.privateKey": later(jump={"host": "j", "auth": who}),
        }.items():
            (fault,) = documents.faults(json.dumps(access, indent=1), connector=ssh)
            assert fault.path == path
            assert fault.line > 1
            assert fault.message == "is encrypted, and its passphrase is missing: give it as passphrase"


@pytest.mark.parametrize("key", KEYS, ids=lambda key: key.name)
def test_an_unencrypted_key_needs_no_passphrase(documents: Documents, key: Key) -> None:
    who = {"username": "me", "privateKey": key.text}
    taken(documents, later(auth={**who, "passphrase": "x"}))
    if not key.encrypted:
        taken(documents, later(auth=who))


def test_an_encrypted_key_outside_auth_is_reported_once(documents: Documents) -> None:
    access = later(privateKey=ENCRYPTED[0].text, auth={"username": "me"})
    assert refused(documents, access) == {"privateKey": "is given beside auth: put it under auth"}
    access = later(passphrase="x", auth={"username": "me", "privateKey": ENCRYPTED[0].text})
    assert refused(documents, access) == {"passphrase": "is given beside auth: put it under auth"}


def test_an_unset_variable_for_a_passphrase_is_reported_once(documents: Documents) -> None:
    auth = {"username": "me", "privateKey": ENCRYPTED[0].text, "passphrase": "{{p}}"}
    assert list(refused(documents, later(auth=auth))) == ["auth.passphrase"]
    auth = {"username": "me", "privateKey": "{{k}}"}
    assert list(refused(documents, later(auth=auth))) == ["auth.privateKey"]


def test_host_keys_are_accepted_as_ssh_keygen_and_known_hosts_show_them(documents: Documents) -> None:
    """What ssh-keygen -lf shows, and a line of known_hosts or of ssh-keyscan."""
    fingerprint = "SHA256:" + "a/" * 21 + "b"
    for before, after in (
        ("256 ", " me@a host (ED25519)"),
        ("3072 ", " no comment (RSA)"),
        ("1 ", " (A-B)\n"),
    ):
        assert taken(documents, later(hostKey=before + fingerprint + after)).server.host_key == fingerprint
    for line in HOST_KEYS:
        for host in ("example.com", "[example.com]:2222,10.0.0.1", "|1|c2FsdA==|aGFzaA=="):
            assert taken(documents, later(hostKey=f"{host} {line}")).server.host_key == line


def test_revoked_authority_and_commented_host_keys_are_refused(documents: Documents) -> None:
    for before in ("@revoked h", "@cert-authority *.example.com", "@revoked", "# h", "#h", "h h"):
        assert list(refused_by_both(documents, later(hostKey=f"{before} {HOST_KEYS[0]}"))) == ["hostKey"]


@patient
@given(st.text(max_size=40) | st.binary(max_size=60).map(lambda data: "ssh-rsa " + data.hex()))
def test_any_text_is_a_public_key_or_not(line: str) -> None:
    assert ssh_rules.public_key(line) is None


def test_the_ciphers_are_those_of_the_library() -> None:
    assert set(ssh_rules.CIPHERS) == set(paramiko.Transport._preferred_ciphers)


@pytest.mark.parametrize(
    "written", ["aes256-ctr,aes128-gcm@openssh.com", ["aes256-ctr", "aes128-gcm@openssh.com"]]
)
def test_ciphers_are_names_in_a_string_or_a_list(documents: Documents, written: Any) -> None:
    named = taken(documents, later(filePath=None, dirPath="a", ciphers=written), MOUNT_DIR)
    assert named.ciphers == ("aes256-ctr", "aes128-gcm@openssh.com")


@pytest.mark.parametrize(
    "written",
    [
        *(
            "",
            "aes256-ctr\nProxyCommand x",
            "aes256-ctr ",
            "-oProxyCommand=x",
            "aes256-ctr,",
            "arcfour",
            "+aes256-ctr",
        ),
        *([], ["aes256-ctr\n"], ["aes256-ctr", 7], [["aes256-ctr"]], 7, None, {"a": "b"}),
    ],
)
def test_invalid_ciphers_are_refused(documents: Documents, written: Any) -> None:
    access = later(filePath=None, dirPath="a") | {"ciphers": written}
    assert list(refused(documents, access, MOUNT_DIR)) == ["ciphers"]
