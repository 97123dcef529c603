"""The pieces that connectors' schemas share, and the schemas of the HTTP connectors. Data, no library.

A schema is cerberus' with two additions: ``meta`` (below), and the rule ``beside``, a function
(document, error) that looks at several fields at once. ``meta`` may hold

    doc       what the field means, one line
    secret    True: its value, or everything below it, is shown nowhere; "url": what is secret in a URL
    example   the value in the example document
    optional  how optional it is, where "required" does not say it: the word in the documentation's table
    json      JSON Schema that cannot be derived, e.g. which fields go together
"""

from typing import Any

from connectors.access import rules

Field = dict[str, Any]
Schema = dict[str, Field]


def any_case(*choices: str) -> Field:
    """An enumeration that is taken in any letter case and handed on as it is written in ``choices``."""
    written = {choice.lower(): choice for choice in choices}

    def spell(value: Any) -> Any:
        return written.get(value.lower(), value) if isinstance(value, str) and value.isascii() else value

    return {"type": "string", "allowed": list(choices), "coerce": spell}


def given(key: str) -> dict[str, Any]:
    """JSON Schema: ``key`` is there, protected or not."""
    return {"anyOf": [{"required": [key]}, {"required": [f"_{key}"]}]}


URL: Field = {
    "type": "string",
    "required": True,
    "check_with": rules.http_url,
    "beside": rules.one_login,
    "meta": {
        "doc": "URL starting with http:// or https://",
        "secret": "url",
        "example": "http://example.com/files/data.csv",
        "json": {"pattern": r"^([hH][tT][tT][pP][sS]?://[^/?#]|[^:/?#]*\{\{)"},
    },
}

USERNAME: Field = {
    "type": "string",
    "check_with": rules.username,
    "meta": {"doc": "Username", "example": "username", "optional": "no"},
}

PASSWORD: Field = {
    "type": "string",
    "check_with": rules.no_control,
    "meta": {"doc": "Password", "secret": True, "example": "password", "optional": "no"},
}

TOKEN: Field = {
    "type": "string",
    "check_with": rules.bearer_token,
    "meta": {
        "doc": "Token, in place of username and password",
        "secret": True,
        "optional": "yes, except for BEARER",
    },
}

AUTH: Field = {
    "type": "dict",
    "check_with": rules.http_auth,
    "schema": {
        "username": USERNAME,
        "password": PASSWORD,
        "method": {
            **any_case("BASIC", "DIGEST", "BEARER"),
            "default": "BASIC",
            "meta": {"doc": "Authentication method", "example": "BASIC"},
        },
        "token": TOKEN,
    },
    "meta": {
        "doc": "Authentication information",
        "json": {"anyOf": [given("token"), {"allOf": [given("username"), given("password")]}]},
    },
}

HEADERS: Field = {
    "type": "dict",
    "keysrules": {"type": "string"},
    "valuesrules": {"type": "string"},
    "check_with": rules.headers,
    "meta": {"doc": "Further headers to send, name: value", "secret": True},
}

TLS: Schema = {
    "disableSSLVerification": {
        "type": "boolean",
        "default": False,
        "meta": {"doc": "Disable verification of SSL cert", "example": False},
    },
    "clientCertificate": {
        "type": "string",
        "check_with": rules.certificate,
        "meta": {"doc": "Client certificate: PEM text or the path of a file; may hold the key"},
    },
    "clientKey": {
        "type": "string",
        "check_with": rules.private_key,
        "dependencies": ["clientCertificate"],
        "meta": {
            "doc": "Private key of the certificate: PEM text or the path of a file",
            "secret": True,
        },
    },
    "clientKeyPassphrase": {
        "type": "string",
        "dependencies": ["clientCertificate"],
        "meta": {"doc": "Passphrase of the private key", "secret": True},
    },
}


def http(method: str, of_directory: bool = False) -> Schema:
    """The access data of the HTTP connectors; the default ``method`` depends on the verb."""
    example = {"example": "http://example.com/files"} if of_directory else {}
    return {
        "url": {**URL, "meta": {**URL["meta"], **example}},
        "method": {
            **any_case("GET", "PUT", "POST"),
            "default": method,
            "meta": {"doc": "HTTP method", "example": method},
        },
        "auth": AUTH,
        "headers": HEADERS,
        **TLS,
    }
