"""Finds secrets in a text, in any encoding."""

import base64
import html
import json
from functools import lru_cache
from urllib.parse import quote, quote_plus

from tests.servers import PASSWORD

TOKEN = "t0ken-6f1c9a7e5b-Qz"
HEADER = "h3ader-51b2d4-value"
PASSPHRASE = "p4ss-phrase öf a key"
URL_SAFE = str.maketrans("+/", "-_")
SECRETS = (PASSWORD, TOKEN, HEADER, PASSPHRASE)


@lru_cache
def forms(secret: str) -> dict[str, str]:
    """Names of encodings, and the secret in each."""
    raw, wide = secret.encode(), secret.encode("utf-16-le")
    found = {
        "plain": secret,
        "URL": quote(secret),
        "URL, whole": quote(secret, safe=""),
        "form": quote_plus(secret),
        "URL, twice": quote(quote(secret, safe=""), safe=""),
        "JSON": json.dumps(secret)[1:-1],
        "Python": ascii(secret)[1:-1],
        "HTML": html.escape(secret),
        "HTML, numbers": "".join(f"&#{ord(char)};" for char in secret),
        "HTML, hexadecimal": "".join(f"&#x{ord(char):x};" for char in secret),
        "hexadecimal": raw.hex(),
        "HEXADECIMAL": raw.hex().upper(),
        "base32": base64.b32encode(raw).decode(),
    }
    for name, octets in (("base64", raw), ("base64 of UTF-16", wide)):
        for before in range(3):
            text = base64.b64encode(b"u:"[:before] + octets).decode()
            found[f"{name}, {before} before it"] = text
            found[f"URL's {name}, {before} before it"] = text.translate(URL_SAFE)
    return found


@lru_cache
def _telling(secret: str) -> dict[str, str]:
    """The part of each form that does not depend on the surrounding text."""
    cores = {}
    for name, form in forms(secret).items():
        if "base" in name:
            form = form.rstrip("=")[4 if " before" in name and ", 0" not in name else 0 : -2]
        cores[name] = form
    return cores


def leaked(text: str) -> list[str]:
    """The encodings of a secret found in ``text``."""
    return [
        f"{name} of a secret" for secret in SECRETS for name, core in _telling(secret).items() if core in text
    ]
