"""Checks and rules of SSH's access data, beyond types; connectors.access.rules says how they work."""

import binascii
import math
import re
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

from connectors.access.rules import (
    Error,
    Json,
    Rule,
    check,
    exactly_one,
    given,
    matches,
    required,
    requires,
    whole,
    within,
)
from connectors.net import hosts
from connectors.ssh.login import keys

LOGIN_KEYS = ("username", "password", "privateKey", "passphrase")

CIPHERS = (
    *("aes128-ctr", "aes192-ctr", "aes256-ctr", "aes128-gcm@openssh.com", "aes256-gcm@openssh.com"),
    *("aes128-cbc", "aes192-cbc", "aes256-cbc", "3des-cbc"),
)
"""Those of paramiko, which a test compares: importing it takes 135 ms."""

LONGEST = 86400
"""Seconds of any time limit, as for RED_TIMEOUT; a system's own calls do not take any number."""

FINGERPRINT = re.compile(r"SHA256:[A-Za-z0-9+/]{43}")

LISTED = re.compile(rf"[0-9]+ ({FINGERPRINT.pattern}) .*\([A-Z0-9-]+\)")
"""As ``ssh-keygen -lf`` shows it: bits, fingerprint, comment, type."""

KEY_PARTS = {
    "ssh-ed25519": 2,
    "ssh-rsa": 3,
    "ecdsa-sha2-nistp256": 3,
    "ecdsa-sha2-nistp384": 3,
    "ecdsa-sha2-nistp521": 3,
}
"""Types of keys, and of how many parts such a key consists: RFC 4253 (6.6), RFC 5656 (3.1), RFC 8709 (4)."""


@check(pattern=whole(r"[^\s/@\\]+"))
def host(field: str, value: Any, error: Error) -> None:
    """A name or an address, an IPv6 address with or without brackets."""
    if not (hosts.is_ipv6(value) if ":" in value else hosts.is_name(value)):
        error(field, "must be a host name or address alone: username, port and path have keys of their own")


@check(minLength=1)
def path(field: str, value: Any, error: Error) -> None:
    """Any name that a file can have; names with the end of a line in them are real."""
    if not value:
        error(field, "must not be empty")
    elif "\0" in value:
        error(field, "must not contain NUL: no path can")


@check(minLength=1)
def file_path(field: str, value: Any, error: Error) -> None:
    path(field, value, error)
    if value == "~" or (value and value.rpartition("/")[2] in ("", ".", "..")):
        error(field, "names a directory: the file name at the end is missing")


@check(minLength=1)
def file_name(field: str, value: Any, error: Error) -> None:
    """May lead through further folders; but it is below ``fileDir``, so it does not begin anew."""
    file_path(field, value, error)
    if value.startswith("/"):
        error(field, "is below fileDir, and cannot begin with /: put a whole path into filePath")


@check(exclusiveMinimum=0)
def duration(field: str, value: Any, error: Error) -> None:
    if not (math.isfinite(value) and value > 0):
        error(field, "must be a number of seconds, more than 0")


@check()
def private_key(field: str, value: Any, error: Error) -> None:
    """Whatever can be checked without decrypting the key. A rule looks for a missing passphrase."""
    try:
        keys.inspect(keys.text(value))
    except keys.Unusable as unusable:
        error(field, unusable.whole)


ONE_CIPHER = f"({'|'.join(CIPHERS)})".replace(".", r"\.")
CIPHER_LIST = f"{ONE_CIPHER}(,{ONE_CIPHER})*"

ciphers = matches(  # against a list, since it becomes an option of a program
    CIPHER_LIST,
    f"must be names, separated by commas, of {', '.join(CIPHERS)}",
    type=["string", "array"],
    items={"type": "string", "pattern": whole(CIPHER_LIST)},
    minItems=1,
)


def comma_separated(value: Any) -> Any:
    """A list of names as OpenSSH writes it; anything else as it is."""
    if isinstance(value, list) and all(isinstance(name, str) for name in value):
        return ",".join(value)
    return value


def plain_host_key(value: Any) -> Any:
    """The fingerprint, or the public key line, in what ssh-keygen shows or a known_hosts file has of it;
    anything else as it is. A key that such a file marks (``@revoked``) is not to be trusted."""
    if not isinstance(value, str):
        return value
    if listed := LISTED.fullmatch(value.strip()):
        return listed[1]
    host, _, line = value.strip().partition(" ")
    if host[:1] in ("@", "#") or public_key(line) is None:
        return value
    return line.strip()


@check(
    pattern=whole(
        rf"\s*({FINGERPRINT.pattern}|{LISTED.pattern}|([^@#\s]\S* +)?({'|'.join(KEY_PARTS)}) +AAAA.*)\s*"
    )
)
def host_key(field: str, value: Any, error: Error) -> None:
    if not FINGERPRINT.fullmatch(value) and public_key(value) is None:
        error(
            field,
            "must be a fingerprint (SHA256: and 43 characters, as `ssh-keygen -lf FILE` shows it) or a public"
            " key on one line (ssh-ed25519 AAAA…, as in the server's /etc/ssh/ssh_host_ed25519_key.pub or"
            " in a known_hosts file)",
        )


def public_key(line: str) -> bytes | None:
    """The key in a line ``type base64 [comment]`` of ssh-keygen; None if it is not one, whole and sound."""
    kind, _, rest = line.strip().partition(" ")
    encoded = rest.split(maxsplit=1)[0] if rest.strip() else ""
    if kind not in KEY_PARTS or "\n" in line.strip():
        return None
    try:
        key = binascii.a2b_base64(encoded, strict_mode=True)
    except ValueError:
        return None
    parts = keys.ssh_strings(key)
    if parts is None or len(parts) != KEY_PARTS[kind] or parts[0] != kind.encode():
        return None
    return key


def _passphrase(document: Mapping[str, Any], error: Error) -> None:
    """An encrypted key has a passphrase."""
    if document.get("passphrase", "") == "" and isinstance(document.get("privateKey"), str):
        with suppress(keys.Unusable):  # reported by the check of the key itself
            if keys.is_encrypted(keys.inspect(keys.text(document["privateKey"]))):
                error("privateKey", keys.NeedsPassphrase().whole)


LOGIN = (
    required("username", "the user to log in as (a string)"),
    exactly_one("password", "privateKey", note="no other way to log in is tried"),
    requires("passphrase", "privateKey"),
    Rule(_passphrase),
)
"""Of the mapping that contains username, password, privateKey and passphrase."""


def _flat_or_auth(document: Mapping[str, Any], error: Error) -> None:
    flat = [key for key in LOGIN_KEYS if key in document]
    auth = document.get("auth")
    if auth is None and not flat:
        error("auth", "required: username, and password or privateKey (a mapping)")
        return
    login, place = document, ""
    if auth is not None:
        for key in flat:
            twice = "is given both flat and under auth: keep one"
            error(key, twice if key in auth else "is given beside auth: put it under auth")
        login, place = {**dict.fromkeys(flat), **auth}, "auth."
    for rule in LOGIN:
        rule.check(login, lambda key, message: error(place + key, message))


def _flat_or_auth_json() -> Json:
    login = [rule.json for rule in LOGIN if rule.json]
    flat = {"anyOf": [given(key) for key in LOGIN_KEYS]}
    return {
        "oneOf": [
            {"allOf": [given("auth"), {"not": flat}, within("auth", {"allOf": login})]},
            {"allOf": [{"not": given("auth")}, *login]},
        ]
    }


ONE_LOGIN = Rule(_flat_or_auth, _flat_or_auth_json())
"""The login is given flat or under ``auth``, whole."""

FILE = (ONE_LOGIN, exactly_one("filePath", ("fileDir", "fileName"), note="strings"))

DIRECTORY = (
    ONE_LOGIN,
    exactly_one("dirPath", "dirName", note="the whole path of the directory, a string"),
)
