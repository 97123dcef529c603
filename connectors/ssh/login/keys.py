"""Private keys: RSA, ECDSA and ed25519, as PEM or in OpenSSH's format, encrypted or not.

Importing this module imports no library: inspecting a key needs none. No message contains any part of a key.
"""

import binascii
import re
from typing import TYPE_CHECKING, Any

from connectors.errors import ConfigError
from connectors.pem import as_pem, is_pem, unreadable

if TYPE_CHECKING:
    import paramiko
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey

LARGEST_RSA = 16384  # bits, OpenSSH's limit (OPENSSL_RSA_MAX_MODULUS_BITS); more would take minutes
LONGEST = 1024 * 1024  # characters read from a file
_BLOCK = re.compile(r"-----BEGIN ([A-Z0-9 ]+)-----\n(.*?)-----END \1-----", re.DOTALL)
_MAGIC = b"openssh-key-v1\0"
"""The start of OpenSSH's format: see PROTOCOL.key in its sources."""

_PUBLIC = re.compile(r"\s*(ssh-|ecdsa-sha2-|sk-|---- BEGIN SSH2 PUBLIC|-----BEGIN [A-Z0-9 ]*PUBLIC KEY-----)")
_KINDS = ("ssh-rsa", "ssh-ed25519", "ecdsa-sha2-nistp256", "ecdsa-sha2-nistp384", "ecdsa-sha2-nistp521")
_CURVES = ("secp256r1", "secp384r1", "secp521r1")
_NEW_KEY = "make another one: ssh-keygen -t ed25519"
_DSA = ("is a DSA key, which servers no longer accept", _NEW_KEY)
_UNKNOWN = ("is of a type, or encrypted in a way, that is not supported", _NEW_KEY)
_DAMAGED = "is damaged: a part of it is missing or was changed"


class Unusable(Exception):
    """The private key cannot be used to log in: why, and what to do."""

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint

    @property
    def whole(self) -> str:
        return f"{self.message}: {self.hint}" if self.hint else self.message


class NeedsPassphrase(Unusable):
    """The key is encrypted and no passphrase was given."""

    def __init__(self) -> None:
        super().__init__("is encrypted, and its passphrase is missing", "give it as passphrase")


def load(private_key: str, passphrase: str, place: str = "privateKey") -> "paramiko.PKey":
    """The key in ``private_key``: PEM text, its lines as they are, joined or written ``\\n``, or a path.

    ``passphrase`` may be "" and is not used if the key is not encrypted. ConfigError says what is wrong, and
    with which key: ``place`` is its name in messages.
    """
    try:
        return parse(text(private_key), passphrase)
    except Unusable as unusable:
        raise ConfigError(f"{place} {unusable.message}", hint=unusable.hint) from None


def text(private_key: str) -> str:
    """The key itself, with its lines restored, from the document or the file that it names."""
    if is_pem(private_key) or _PUBLIC.match(private_key):
        return as_pem(private_key).strip() + "\n"
    try:
        return read(private_key)
    except (OSError, ValueError) as problem:
        raise Unusable(unreadable(private_key, problem)) from None


def read(path: str) -> str:
    """The text of the file at ``path``; OSError, or ValueError for an invalid path."""
    with open(path, encoding="ascii", errors="replace") as file:
        return as_pem(file.read(LONGEST)).strip() + "\n"


def inspect(key: str) -> str:
    """The PEM block of the private key in ``key``; Unusable if it clearly cannot be used, even without
    decrypting it."""
    if "PuTTY-User-Key-File" in key:
        raise Unusable("is a PuTTY key", "convert it: puttygen KEY.ppk -O private-openssh -o KEY")
    found = _BLOCK.search(key)
    while found and "PRIVATE KEY" not in found[1]:  # EC PARAMETERS, which OpenSSL puts before the key
        found = _BLOCK.search(key, found.end())
    if found is None:
        if _PUBLIC.match(key):
            raise Unusable("is a public key", "the private one is needed, in the file without .pub")
        if "-----BEGIN " in key and "PRIVATE KEY-----" in key:
            raise Unusable("is cut short: it begins with -----BEGIN, but has no -----END of the same kind")
        raise Unusable("contains no private key: no PEM block '-----BEGIN … PRIVATE KEY-----'")
    if found[1].startswith("DSA"):
        raise Unusable(*_DSA)
    if found[1] == "OPENSSH PRIVATE KEY":
        _inspect_openssh(found[2])
    return found[0]


def is_encrypted(block: str) -> bool:
    """Whether the private key in ``block``, from inspect(), is encrypted."""
    label, inside = _BLOCK.findall(block)[0]
    if label == "OPENSSH PRIVATE KEY":
        _, options = _opened(inside)
        return bool(options) and options[0] != b"none"
    return label.startswith("ENCRYPTED") or "DEK-Info:" in inside  # RFC 5958, RFC 1421 (4.6.1.3)


def _opened(base64: str) -> tuple[bytes, list[bytes]]:
    """The decoded block, and its first strings: the cipher's name, the key derivation's name and options;
    none if it is damaged."""
    try:
        key = binascii.a2b_base64(base64)
    except ValueError:
        key = b""
    return key, (ssh_strings(key.removeprefix(_MAGIC), 3) if key.startswith(_MAGIC) else None) or []


def _inspect_openssh(base64: str) -> None:
    """Check the key type, which is in clear text even in an encrypted key."""
    key, options = _opened(base64)
    # after the options: the number of keys (4 bytes), the public key, the private key
    rest = key[len(_MAGIC) + sum(4 + len(part) for part in options) + 4 :] if options else b""
    halves = ssh_strings(rest, 2)
    public = ssh_strings(halves[0], 1) if halves else None
    if not public:
        raise Unusable(_DAMAGED)
    kind = public[0].decode("ascii", "replace")
    if kind.startswith("sk-"):
        raise Unusable("is stored on a security key (FIDO), which is not supported", _NEW_KEY)
    if kind == "ssh-dss":
        raise Unusable(*_DSA)
    if kind not in _KINDS:
        raise Unusable(*_UNKNOWN)


def ssh_strings(data: bytes, most: int = 0) -> list[bytes] | None:
    """The strings (RFC 4251, section 5) at the start of ``data``: at most ``most``, or all if 0.

    None if one of them is cut short.
    """
    parts, at = list[bytes](), 0
    while len(parts) < most if most else at < len(data):
        end = at + 4 + int.from_bytes(data[at : at + 4], "big")
        if at + 4 > len(data) or end > len(data):
            return None
        parts.append(data[at + 4 : end])
        at = end
    return parts


def parse(key: str, passphrase: str) -> "paramiko.PKey":
    """Parse ``key``; raises Unusable or NeedsPassphrase."""
    loaded = _decrypted(inspect(key), passphrase)

    from io import StringIO

    import paramiko
    from cryptography.hazmat.primitives import serialization as formats
    from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey

    if isinstance(loaded, RSAPrivateKey):
        _prove(loaded)
        return paramiko.RSAKey(key=loaded)
    if isinstance(loaded, EllipticCurvePrivateKey) and loaded.curve.name in _CURVES:
        return paramiko.ECDSAKey(vals=(loaded, loaded.public_key()))
    if isinstance(loaded, Ed25519PrivateKey):  # paramiko accepts it only in OpenSSH's format
        written = loaded.private_bytes(
            formats.Encoding.PEM, formats.PrivateFormat.OpenSSH, formats.NoEncryption()
        )
        return paramiko.Ed25519Key(file_obj=StringIO(written.decode("ascii")))
    raise Unusable(*_UNKNOWN)


def _prove(key: "RSAPrivateKey") -> None:
    """Raise Unusable unless the public half verifies a signature of the private half."""
    from cryptography.exceptions import InvalidSignature
    from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
    from cryptography.hazmat.primitives.hashes import SHA256

    if key.key_size > LARGEST_RSA:
        raise Unusable(f"is an RSA key of {key.key_size} bits; at most {LARGEST_RSA} are supported", _NEW_KEY)
    padding, digest = PKCS1v15(), SHA256()
    try:
        key.public_key().verify(key.sign(b"", padding, digest), b"", padding, digest)
    except (ValueError, InvalidSignature):
        raise Unusable(_DAMAGED) from None


def _decrypted(block: str, passphrase: str) -> Any:
    """The key as loaded by the library cryptography.

    Skips its primality test of RSA factors (40 ms with 2048 bits, 290 with 4096), which is for keys from
    strangers; this one is the user's own. parse() checks that its halves match.
    """
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives import serialization as formats

    load_any = formats.load_ssh_private_key if "BEGIN OPENSSH" in block else formats.load_pem_private_key
    data = block.encode("ascii", "replace")

    def load(password: bytes | None, fault: str) -> Any:
        try:
            return load_any(data, password, unsafe_skip_rsa_key_validation=True)
        except (UnsupportedAlgorithm, NotImplementedError):  # the second for a compressed point of a curve
            raise Unusable(*_UNKNOWN) from None
        except ValueError:
            raise Unusable(fault) from None

    try:
        return load(None, _DAMAGED)
    except TypeError:  # it is encrypted; a passphrase for an unencrypted key would be a TypeError too
        if not passphrase:
            raise NeedsPassphrase from None
    return load(passphrase.encode(), "cannot be decrypted: the passphrase is wrong, or the key is damaged")
