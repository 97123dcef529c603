"""Private keys of every kind and format, and ways their lines get mangled."""

from collections.abc import Callable
from typing import NamedTuple

import yaml
from cryptography.hazmat.primitives import serialization as formats
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

PASSPHRASE = "pass phrase ä"
NONE = formats.NoEncryption()
MADE = {
    "rsa": rsa.generate_private_key(65537, 2048),
    "nistp256": ec.generate_private_key(ec.SECP256R1()),
    "nistp384": ec.generate_private_key(ec.SECP384R1()),
    "nistp521": ec.generate_private_key(ec.SECP521R1()),
    "ed25519": ed25519.Ed25519PrivateKey.generate(),
}
FORMATS = {
    "OpenSSH": formats.PrivateFormat.OpenSSH,
    "PKCS8": formats.PrivateFormat.PKCS8,
    "traditional": formats.PrivateFormat.TraditionalOpenSSL,  # PKCS1, SEC1
}


class Key(NamedTuple):
    name: str
    text: str
    encrypted: bool
    public: str


def made(name: str, form: str, encrypted: bool) -> Key:
    encryption: formats.KeySerializationEncryption = NONE
    if encrypted and form == "OpenSSH":  # as weak as possible: otherwise decrypting takes a tenth of a second
        encryption = FORMATS[form].encryption_builder().kdf_rounds(1).build(PASSPHRASE.encode())
    elif encrypted:
        encryption = formats.BestAvailableEncryption(PASSPHRASE.encode())
    text = MADE[name].private_bytes(formats.Encoding.PEM, FORMATS[form], encryption).decode()
    line = MADE[name].public_key().public_bytes(formats.Encoding.OpenSSH, formats.PublicFormat.OpenSSH)
    return Key(f"{name}-{form}{'-encrypted' * encrypted}", text, encrypted, line.decode())


KEYS = [
    made(name, form, encrypted)
    for name in MADE
    for form in FORMATS
    for encrypted in (False, True)
    if (name, form) != ("ed25519", "traditional")
]
WAYS: dict[str, Callable[[str], str]] = {
    "as it is": str,
    "without its last newline": str.rstrip,
    "flattened to \\n": lambda text: text.replace("\n", "\\n"),
    "flattened to \\r\\n": lambda text: text.replace("\n", "\\r\\n"),
    "CRLF": lambda text: text.replace("\n", "\r\n"),
    "indented": lambda text: text.replace("\n", "\n      "),
    "trailing spaces": lambda text: text.replace("\n", "  \n"),
    "folded by YAML": lambda text: yaml.safe_load("a: >\n  " + text.replace("\n", "\n  "))["a"],
    "a plain YAML scalar": lambda text: yaml.safe_load("a:\n  " + text.replace("\n", "\n  "))["a"],
    "all on one line": lambda text: " ".join(text.split()),
    "without any space": lambda text: text.replace("\n", ""),
    "with words around it": lambda text: f"my key:\n{text}\nkeep it\n",
}


def ways(text: str) -> list[str]:
    """The WAYS that keep everything essential in the key."""
    headers = "DEK-Info" in text  # YAML parses their colons, and without spaces their end is ambiguous
    return [way for way in WAYS if not (headers and way in ("a plain YAML scalar", "without any space"))]
