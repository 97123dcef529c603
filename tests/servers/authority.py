"""A temporary certificate authority: certificates for 127.0.0.1, a client, and another host."""

import subprocess
from pathlib import Path
from typing import NamedTuple

from tests.servers import needs


class Authority(NamedTuple):
    """Paths of PEM files."""

    ca: Path
    certificate: Path
    key: Path
    client_certificate: Path
    client_key: Path
    other_certificate: Path
    other_key: Path


def make(folder: Path) -> Authority:
    """Make all keys and certificates in ``folder``; they are valid for two days."""
    names = ("ca.pem", "server.pem", "server.key", "client.pem", "client.key", "other.pem", "other.key")
    authority = Authority(*(folder / name for name in names))
    ca_key = folder / "ca.key"
    _openssl("req", "-x509", *_new_key(ca_key), "-days", "2", "-subj", "/CN=Test CA", "-out", authority.ca)
    for certificate, key, name, extension in (
        (authority.certificate, authority.key, "localhost", "subjectAltName=DNS:localhost,IP:127.0.0.1"),
        (authority.client_certificate, authority.client_key, "client", "extendedKeyUsage=clientAuth"),
        (authority.other_certificate, authority.other_key, "other", "subjectAltName=DNS:other.example"),
    ):
        request, extensions = folder / f"{name}.csr", folder / f"{name}.ext"
        extensions.write_text(extension + "\n")
        _openssl("req", *_new_key(key), "-subj", f"/CN={name}", "-out", request)
        _openssl(
            "x509", "-req", "-in", request, "-CA", authority.ca, "-CAkey", ca_key, "-CAcreateserial",
            "-days", "2", "-extfile", extensions, "-out", certificate,
        )  # fmt: skip
    return authority


def _new_key(path: Path) -> list[object]:
    return ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-keyout", path]


def _openssl(*arguments: object) -> None:
    subprocess.run([needs("openssl"), *map(str, arguments)], check=True, capture_output=True, timeout=30)
