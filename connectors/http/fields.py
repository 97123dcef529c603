"""Fields of access documents that connectors over HTTP share."""

from connectors.access.rules import certificate
from connectors.access.schema import PASSPHRASE, PRIVATE_KEY, Field
from connectors.http import http_rules

URL: Field = {
    "type": "string",
    "required": True,
    "check_with": http_rules.url,
    "meta": {
        "doc": "URL starting with http:// or https://",
        "secret": "url",
        "words": ("http", "https"),
        "example": "http://example.com/files/data.csv",
    },
}

TLS: dict[str, Field] = {
    "disableSSLVerification": {
        "type": "boolean",
        "default": False,
        "meta": {"doc": "Disable verification of SSL cert", "example": False},
    },
    "clientCertificate": {
        "type": "string",
        "check_with": certificate,
        "meta": {"doc": "Client certificate: PEM text or the path of a file; may contain the key"},
    },
    "clientKey": {
        **PRIVATE_KEY,
        "meta": {
            **PRIVATE_KEY["meta"],
            "doc": "Private key of the certificate: PEM text or the path of a file",
        },
    },
    "clientKeyPassphrase": PASSPHRASE,
}
