"""Redaction: a marked secret is found in every form in which it could leave the process."""

import base64
import html
import json
import re
import time
from collections.abc import Iterable, Iterator
from html.entities import html5
from threading import Thread
from typing import Any
from urllib.parse import quote, quote_plus

import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

from connectors import log, secrets
from tests.support.documents import no_secrets, patient

NAMES = {char: name for name, char in html5.items() if len(char) == 1 and name.endswith(";")}
TRICKY = "p@ss/w+rd &\"'\\é\t€😀%"


@pytest.fixture(autouse=True)
def _forget() -> Iterator[None]:
    with no_secrets():
        yield


def forms(secret: str) -> dict[str, str]:
    lower = quote(secret, safe="")
    octets = secret.encode()
    return {
        "raw": secret,
        "quoted": quote(secret, safe=""),
        "quoted, slash left": quote(secret),
        "quoted, as curl does": quote(secret, safe="!$&'()*+,;=:@/"),
        "plus": quote_plus(secret),
        "lower": "".join(
            lower[i : i + 1].lower() if lower[max(0, i - 2) : i + 1].count("%") else lower[i]
            for i in range(len(lower))
        ),
        "quoted twice": quote(quote(secret, safe=""), safe=""),
        "json": json.dumps(secret)[1:-1],
        "json, not ascii": json.dumps(secret, ensure_ascii=False)[1:-1],
        "repr": repr(secret)[1:-1],
        "ascii": ascii(secret)[1:-1],
        "bytes": repr(octets)[2:-1],
        "base64": base64.b64encode(octets).decode().rstrip("="),
        "base64 url": base64.urlsafe_b64encode(octets).decode(),
        "quoted base64": quote(base64.b64encode(octets).decode(), safe=""),
        "base64 in lines": "\n".join(re.findall(".{1,5}", base64.b64encode(octets).decode())),
        "base64 of UTF-16": base64.b64encode(secret.encode("utf-16-le")).decode(),
        "hex": octets.hex(),
        "HEX": octets.hex().upper(),
        "hex with colons": octets.hex(":"),
        "hex with blanks": octets.hex(" "),
        "hex of a debugger": ", ".join(f"0x{octet:02x}" for octet in octets),
        "hex of UTF-16": secret.encode("utf-16-be").hex(),
        "base32": base64.b32encode(octets).decode(),
        "base32, small": base64.b32encode(octets).decode().lower().rstrip("="),
        "html": html.escape(secret),
        "html, twice": html.escape(html.escape(secret)),
        "html, decimal": "".join(f"&#{ord(char)};" for char in secret),
        "html, hex": "".join(f"&#x{ord(char):X};" for char in secret),
        "html, names": "".join(f"&{NAMES[char]}" if char in NAMES else char for char in secret),
        "every octet quoted": "".join(f"%{octet:02x}" for octet in octets),
        "every character as in JSON": re.sub("(....)", r"\\u\1", secret.encode("utf-16-be").hex()),
        "every octet as in C": "".join(f"\\x{octet:02x}" for octet in octets),
        "every octet in octal": "".join(f"\\{octet:03o}" for octet in octets),
        "braces": "".join(f"\\u{{{ord(char):x}}}" for char in secret),
        "UTF-16 as Latin-1": secret.encode("utf-16-le").decode("latin-1"),
        "UTF-16 as UTF-8": secret.encode("utf-16-le").decode("utf-8", "replace"),
        "UTF-8 as Latin-1": octets.decode("latin-1"),
        "shell": re.sub(r"(\W)", r"\\\1", secret),
        "JSON in JSON": json.dumps(json.dumps(secret)[1:-1])[1:-1],
        "JSON in a URL": quote(json.dumps(secret)[1:-1], safe=""),
    }


@pytest.mark.parametrize("form", forms("x"))
@pytest.mark.parametrize("secret", ["hunter22", TRICKY, "?>?>?>~~~~", "ünï¢ödé"])
def test_a_secret_is_redacted_in_every_form(secret: str, form: str) -> None:
    secrets.mark(secret)
    shown = secrets.redact(f"before ({forms(secret)[form]}) after")
    assert shown.replace("0x********", "********") == "before (********) after"


@pytest.mark.parametrize("secret", ["hünter22", "gr\xfc\xdfe"])
@pytest.mark.parametrize(
    "encode", [quote, lambda octets: octets.hex(), lambda octets: octets.decode("latin-1")]
)
def test_a_secret_is_redacted_in_latin_1_too(secret: str, encode) -> None:  # type: ignore[no-untyped-def]
    secrets.mark(secret)
    assert secrets.redact(f"<{encode(secret.encode('latin-1'))}>") == "<********>"


@pytest.mark.parametrize("before", ["", "u", "us", "use", "user", "user:"])
@pytest.mark.parametrize("after", ["", "a", "ab", "abc", "abcd"])
@pytest.mark.parametrize("secret", ["hunter22", TRICKY, "long" * 100])
def test_a_secret_is_redacted_in_the_middle_of_base32_and_hex(secret: str, before: str, after: str) -> None:
    secrets.mark(secret)
    octets = (before + secret + after).encode()
    for text in (base64.b32encode(octets).decode(), octets.hex()):
        left = secrets.redact(f"<{text}>")[1:-1].replace("********", "").rstrip("=")
        assert len(left) <= (len(before) + len(after)) * 2 + 2


def test_a_password_that_a_server_echoes_in_utf_16_is_redacted_in_the_log(capsys: Any) -> None:
    secrets.mark("hunter22")
    log.configure("test", "text")
    log.warning("no: " + "hunter22".encode("utf-16-le").decode())
    assert capsys.readouterr().err == "test: warning: no: ********\n"


@pytest.mark.parametrize("secret", ["a", "1", "ab", "25", "no", "abc"])
def test_a_short_secret_blanks_no_ordinary_words(secret: str) -> None:
    text = "cannot receive http://host:8025/data%20abacus: 403 nothing banned, 125 of 1000 tables"
    secrets.mark(secret)
    assert secrets.redact(text) == text


@pytest.mark.slow
def test_redaction_is_fast_however_long_or_many_the_secrets_are() -> None:
    began = time.process_time()
    secrets.mark("".join(chr(33 + number * number % 90) for number in range(1_000_000)))
    for number in range(1_000):
        secrets.mark(f"signature-{number:010}-%41-" + "x" * 100)
    secrets.redact("first")
    first = time.process_time() - began
    began = time.process_time()
    for _ in range(10):
        assert secrets.redact(f"GET /{'a' * 500}?sig=%22") == f"GET /{'a' * 500}?sig=%22"
    assert first < 10
    assert time.process_time() - began < 5


@pytest.mark.parametrize("before", ["", "u:", "us:", "use:", "user:"])
@pytest.mark.parametrize("after", ["", "a", "ab", "abc"])
@pytest.mark.parametrize("encode", [base64.b64encode, base64.urlsafe_b64encode])
@pytest.mark.parametrize("secret", ["hunter22", TRICKY, "long" * 100])
def test_a_secret_is_redacted_in_the_middle_of_base64_text(
    secret: str, before: str, after: str, encode
) -> None:  # type: ignore[no-untyped-def]
    secrets.mark(secret)
    text = encode((before + secret + after).encode()).decode()
    shown = secrets.redact(f"Authorization: Basic {text}")
    assert "********" in shown
    left = shown.replace("********", "").removeprefix("Authorization: Basic ").rstrip("=")
    assert len(left) <= (len(before) + len(after)) * 4 / 3 + 2


@pytest.mark.slow
@patient
@given(
    st.text(min_size=4, max_size=40).filter(lambda text: len(text.strip()) > 3 and text.strip("\r\n") == text)
)
@example("a\nbcd")
@example("\U0010ffff\ud800abc")
def test_no_form_of_any_secret_survives(secret: str) -> None:
    assume(secret not in secrets.MASK)
    with no_secrets():
        secrets.mark(secret)
        for text in (
            secret,
            json.dumps(secret),
            ascii(secret),
            quote(secret, safe="", errors="surrogatepass"),
        ):
            shown = secrets.redact(f"<{text}>")
            assert secret not in shown
            assert "********" in shown


def test_the_longest_secret_goes_first() -> None:
    secrets.mark("hunter")
    secrets.mark("hunter22")
    assert secrets.redact("hunter22 hunter") == "******** ********"


def test_each_line_of_a_key_is_redacted_but_not_its_first_and_last() -> None:
    lines = [
        "-----BEGIN PRIVATE KEY-----",
        "MIIEvQIBADANBgkqhkiG",
        "short",
        "9w0BAQEFAASCBKcwggSj",
        "-----END PRIVATE KEY-----",
    ]
    secrets.mark("\n".join(lines) + "\n")
    assert secrets.redact("\n".join(lines)) == "********"
    assert secrets.redact(lines[1] + " " + lines[3]) == "******** ********"
    assert secrets.redact(f"holds no {lines[0]}") == f"holds no {lines[0]}"


def test_each_line_of_a_key_is_redacted_however_its_lines_were_written() -> None:
    secrets.mark(r"-----BEGIN PRIVATE KEY-----\nMIIEvQIBADANBgkqhkiG\n-----END PRIVATE KEY-----\n")
    assert secrets.redact("MIIEvQIBADANBgkqhkiG") == "********"


def test_a_secret_that_a_thread_marks_while_another_redacts_is_not_lost(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    other = Thread(target=secrets.mark, args=["second22"])
    compile_ = secrets._compile

    def interrupted(secret: str, words: Iterable[str]) -> object:
        compiled = compile_(secret, words)
        if other.ident is None:
            other.start()
            other.join(0.1)  # it may have to wait for us
        return compiled

    monkeypatch.setattr(secrets, "_compile", interrupted)
    secrets.mark("hunter22")
    assert secrets.redact("hunter22") == "********"
    other.join()
    assert secrets.redact("hunter22 second22") == "******** ********"


def test_a_thousand_secrets_cost_one_compilation_each(monkeypatch: pytest.MonkeyPatch) -> None:
    """A directory of signed redirects: with all of them in one pattern, each new one cost them all."""
    compiled = []
    once = secrets._compile
    monkeypatch.setattr(
        secrets, "_compile", lambda secret, words: compiled.append(secret) or once(secret, words)
    )
    for index in range(1000):
        secrets.mark(f"signature{index}")
        secrets.mark("hunter22")
        if index % 50 == 0:
            assert secrets.redact(f"signature{index} hunter22") == "******** ********"
    secrets.redact("")
    assert len(compiled) == len(set(compiled)) == 1001


def test_a_short_secret_is_redacted_where_it_stands_alone() -> None:
    secrets.mark("abc")
    assert secrets.redact("abc=abc, abcd fabc") == "********=********, abcd fabc"


def test_a_secret_is_redacted_with_its_blanks_collapsed_or_left_out_too() -> None:
    secrets.mark("two  blanks\there")
    for text in ("two  blanks\there", "two blanks here", "twoblankshere"):
        assert secrets.redact(f"a {text} b") == f"a {secrets.MASK} b"


def test_a_single_character_and_nothing_are_no_secrets() -> None:
    for nothing in ("", "1", " ", "\n"):
        secrets.mark(nothing)
    assert secrets.redact("1 of 4\n") == "1 of 4\n"


def test_the_programs_own_words_stay_readable() -> None:
    secrets.keep(["password", "auth", "username"])
    secrets.mark("password")
    secrets.mark("user")
    assert (
        secrets.redact("auth.password, auth.username: required, user")
        == "auth.password, auth.username: required, ********"
    )
    assert secrets.redact(base64.b64encode(b"password").decode()) == "********"


@pytest.mark.parametrize(
    ("url", "text", "shown"),
    [
        ("http://me:hunter22@h/", "hunter22 of me", "******** of me"),
        ("http://me:hunter%4022@h/", "hunter%4022 hunter@22", "******** ********"),
        ("http://glpat-1234@h/x", "glpat-1234", "********"),
        ("me:hunter22@proxy:3128", "hunter22", "********"),
        ("https://h/?access_token=hunter22&n=5", "hunter22 5", "******** 5"),
        ("https://h/?X-Amz-Signature=abcdef12&page=12", "abcdef12 12", "******** 12"),
        ("https://h/?sv=2020-01-01&sig=a%2Fb%3D%3D", "a%2Fb%3D%3D a/b==", "******** ********"),
        ("https://h/?a=0123456789abcdef", "0123456789abcdef", "********"),
        ("https://h/?code=hunter22#x=y", "hunter22", "********"),
    ],
)
def test_what_is_secret_in_a_url_is_redacted(url: str, text: str, shown: str) -> None:
    secrets.mark_url(url)
    assert secrets.redact(text) == shown


def test_the_pair_of_user_and_password_of_a_url_is_redacted_in_base64_even_if_short() -> None:
    secrets.mark_url("http://me:pw@h/")
    assert secrets.redact(base64.b64encode(b"me:pw").decode()) == "********"


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("http://me:pw@example.com:8080/a/b?x=1#f", "http://example.com:8080/a/b?…"),
        ("https://example.com", "https://example.com"),
        ("https://h?x", "https://h?…"),
        ("http://h/a@b:c", "http://h/a@b:c"),
        ("http://a@b@h/x", "http://h/x"),
        ("", ""),
        ("no url", "no url"),
    ],
)
def test_a_url_is_shown_without_login_query_and_fragment(url: str, shown: str) -> None:
    assert secrets.shown_url(url) == shown


@patient
@given(st.text())
def test_any_text_can_be_taken_for_a_url(url: str) -> None:
    with no_secrets():
        secrets.mark_url(url)
        assert secrets.redact(secrets.shown_url(url)) is not None
