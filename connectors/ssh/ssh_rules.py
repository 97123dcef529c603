"""What types cannot express about SSH's access data; how checks work is told in connectors.access.rules."""

import binascii
import math
import re
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any

from connectors.access.rules import Error
from connectors.ssh.login import keys

Beside = Callable[[dict[str, Any], Error], None]

NAME = re.compile(r"(?!-)[^\s\x00-\x20\x7f\[\]:/\\?#@<>^|%\"'`{},;$&*()!]{1,253}")
"""A host name in the widest sense; the resolver may be stricter."""

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


def host(field: str, value: Any, error: Error) -> None:
    """A name or an address, an IPv6 address with or without brackets."""
    if not (_is_ipv6(value) if ":" in value else _is_name(value)):
        error(field, "must be a host name or address alone: username, port and path have keys of their own")


def _is_name(value: str) -> bool:
    try:
        name = value if value.isascii() else value.encode("idna").decode("ascii")  # RFC 3490, 4 ms
    except UnicodeError:
        return False
    labels = name.removesuffix(".").split(".")
    return bool(NAME.fullmatch(value)) and all(0 < len(label) < 64 for label in labels)  # RFC 1035, 2.3.4


def _is_ipv6(value: str) -> bool:
    from ipaddress import IPv6Address  # 5 ms, for the few that need it

    try:
        IPv6Address(value[1:-1] if value.startswith("[") and value.endswith("]") else value)
    except ValueError:
        return False
    return True


def path(field: str, value: Any, error: Error) -> None:
    """Any name that a file can have; names with the end of a line in them are real."""
    if not value:
        error(field, "must not be empty")
    elif "\0" in value:
        error(field, "must not contain NUL: no path can")


def file_path(field: str, value: Any, error: Error) -> None:
    path(field, value, error)
    if value == "~" or (value and value.rpartition("/")[2] in ("", ".", "..")):
        error(field, "names a directory: the name of the file is missing at its end")


def file_name(field: str, value: Any, error: Error) -> None:
    """May lead through further folders; but it is below ``fileDir``, so it does not begin anew."""
    file_path(field, value, error)
    if value.startswith("/"):
        error(field, "is below fileDir, and cannot begin with /: put a whole path into filePath")


def duration(field: str, value: Any, error: Error) -> None:
    if not (math.isfinite(value) and value > 0):
        error(field, "must be a number of seconds, more than 0")


def private_key(field: str, value: Any, error: Error) -> None:
    """As much as can be seen without decrypting it: that is left to whoever uses it. Whether a passphrase is
    missing is looked at by ``_login``, which knows."""
    try:
        keys.inspect(keys.text(value))
    except keys.Unusable as unusable:
        error(field, unusable.whole)


def ciphers(field: str, value: Any, error: Error) -> None:
    """Checked against a list, since it will stand among a program's options."""
    if not set(value.split(",")) <= set(CIPHERS):
        error(field, f"must be names, separated by commas, of {', '.join(CIPHERS)}")


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


def login(field: str, value: Any, error: Error) -> None:
    """Of a jump host: who logs in stands under ``auth`` alone."""
    _login(value, f"{field}.", error)


def of_file(document: dict[str, Any], error: Error) -> None:
    """Who logs in, flat or under ``auth``, and which file: ``filePath``, or ``fileDir`` with ``fileName``."""
    _one_login(document, error)
    flat = [key for key in ("fileDir", "fileName") if key in document]
    if "filePath" in document and flat:
        error(
            "filePath",
            f"is given together with {' and '.join(flat)}: keep filePath, or fileDir with fileName",
        )
    elif not flat and "filePath" not in document:
        error("filePath", "one of filePath, or fileDir with fileName, is missing")
    elif flat == ["fileDir"]:
        error("fileName", "required with fileDir: the file's name there (a string)")
    elif flat == ["fileName"]:
        error("fileDir", "required with fileName: the directory of the file (a string)")


def of_directory(document: dict[str, Any], error: Error) -> None:
    """Who logs in, flat or under ``auth``, and which directory: ``dirPath`` or ``dirName``, the same."""
    _one_login(document, error)
    given = [key for key in ("dirPath", "dirName") if key in document]
    if len(given) == 2:
        error("dirPath", "is given together with dirName, which means the same: keep one")
    elif not given:
        error("dirPath", "one of dirPath or dirName is missing: the whole path of the directory (a string)")


def _one_login(document: dict[str, Any], error: Error) -> None:
    flat = [key for key in LOGIN_KEYS if key in document]
    auth = document.get("auth")
    if auth is None and not flat:
        error("auth", "required: username, and password or privateKey (a mapping)")
    elif auth is None:
        _login(document, "", error)
    else:
        for key in flat:
            twice = "is given both flat and under auth: keep one"
            error(key, twice if key in auth else "is given beside auth: put it under auth")
        _login({**dict.fromkeys(flat), **auth}, "auth.", error)


def _login(given: Mapping[str, Any], place: str, error: Error) -> None:
    if "username" not in given:
        error(f"{place}username", "required: the user to log in as (a string)")
    if "password" in given and "privateKey" in given:
        error(f"{place}password", "give password or privateKey, not both")
    elif "password" not in given and "privateKey" not in given:
        error(f"{place}password", "one of password or privateKey is missing: no other way to log in is tried")
    if "passphrase" in given and "privateKey" not in given:
        error(f"{place}passphrase", "belongs to a privateKey, but there is none")
    if given.get("passphrase", "") == "" and isinstance(given.get("privateKey"), str):
        with suppress(keys.Unusable):  # which is said by the rule of the key itself
            if keys.is_encrypted(keys.inspect(keys.text(given["privateKey"]))):
                error(f"{place}privateKey", keys.NeedsPassphrase().whole)
