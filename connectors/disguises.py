"""A secret in the forms in which a server or a program may show it.

A text is searched as it is and with its escapes undone, repeatedly, because they may be nested:
percent-encoding, backslashes (JSON, Python, C, shells), HTML entities. Each time the secret is searched for
in UTF-8, UTF-16, Latin-1 and cp1252: plain, in hex, base64 and base32, at any offset in longer text.
"""

import re
from base64 import b32encode, b64encode
from codecs import utf_16_be_encode, utf_16_le_encode
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from typing import NamedTuple

SHORTEST = 4
"""Bytes; shorter secrets are not searched for in hex, base64 and base32."""

LONGEST = 96
"""Bytes of a secret that are searched for in hex, base64 and base32; the rest of a match is masked too."""

MOST_PADDING = 6
ROUNDS = 5
"""How many times escapes are undone."""

SINGLE_BYTE = ("latin-1", "cp1252")
HEX, BASE64, BASE32 = "hex", "base64", "base32"
_CHARACTERS = {
    HEX: re.compile(r"[0-9a-f]*"),
    BASE64: re.compile(r"[A-Za-z0-9+/]*"),
    BASE32: re.compile(r"[A-Z2-7]*"),
}
_ALPHABETS = {BASE64: (b64encode, 3, 6), BASE32: (b32encode, 5, 5)}

_ESCAPE = re.compile(
    r"%(?P<percent>[0-9a-fA-F]{2})"
    r"|\\u(?P<high>[dD][89abAB][0-9a-fA-F]{2})\\u(?P<low>[dD][c-fC-F][0-9a-fA-F]{2})"
    r"|\\(?:x(?P<byte>[0-9a-fA-F]{2})|u(?P<four>[0-9a-fA-F]{4})|u\{(?P<braces>[0-9a-fA-F]{1,6})\}"
    r"|U(?P<eight>[0-9a-fA-F]{8})|(?P<octal>[0-3][0-7]{2})|(?P<one>[^xuU\d]|0))"
    r"|&(?:#(?P<decimal>\d{1,8})|#[xX](?P<hex>[0-9a-fA-F]{1,7})|(?P<name>[A-Za-z]\w{1,31}(?=;))|(?P<old>amp|lt|gt|quot));?",
    re.DOTALL,
)
_ONE = {"n": "\n", "r": "\r", "t": "\t", "b": "\b", "f": "\f", "v": "\v", "a": "\a", "e": "\x1b", "0": "\0"}
_NOT_ASCII = re.compile(r"[^\x00-\x7f]")
_NUL = re.compile("([^\0]?)\0+")
_GAP = re.compile(r"0[xX]|[\s:,;'\"_-]+")
_LINES = re.compile(r"\s*[\r\n]\s*")
_SOME_HEX = re.compile(r"(?:[0-9a-f]{2}(?:0x|[\s:,;'\"_-])*){4}")


class View(NamedTuple):
    """A text prepared for searching. Each character is one byte; ``starts`` and ``ends`` hold its place in
    the original text."""

    text: str
    starts: Sequence[int]
    ends: Sequence[int]

    def rewritten(self, pattern: re.Pattern[str], put: Callable[[re.Match[str]], str]) -> "View":
        """A view with every match replaced by ``put(match)``; the view itself if nothing matches."""
        parts: list[str] = []
        starts: list[int] = []
        ends: list[int] = []
        at = 0
        for match in pattern.finditer(self.text):
            new = put(match)
            parts += (self.text[at : match.start()], new)
            starts += self.starts[at : match.start()]
            ends += self.ends[at : match.start()]
            starts += [self.starts[match.start()]] * len(new)
            ends += [self.ends[match.end() - 1]] * len(new)
            at = match.end()
        if not parts:
            return self
        parts.append(self.text[at:])
        starts += self.starts[at:]
        ends += self.ends[at:]
        return View("".join(parts), starts, ends)


class Code(NamedTuple):
    """A secret in hex, base64 or base32, without the characters that also encode neighbouring bytes;
    ``before`` and ``after``: whether there is such a character on that side."""

    kind: str
    text: str
    before: bool
    after: bool


class Secret(NamedTuple):
    """What to search for. ``alone``: match plain text only as a whole word. ``codes``: by kind and by text;
    ``is_cut``: whether they cover only the beginning of the secret."""

    plain: tuple[str, ...]
    alone: bool
    codes: dict[str, dict[str, Code]]
    is_cut: bool


def secret(text: str, *, shown: bool, alone: bool) -> Secret:
    """``text`` in all forms; ``shown``: without the plain text, which is a word that may be shown."""
    octets = text.encode("utf-8", "surrogatepass")
    forms = dict.fromkeys(form for form in _encoded(text) if len(form) >= SHORTEST)
    plain = _plain(text, forms) if not shown else ()
    codes: dict[str, dict[str, Code]] = {HEX: {}, BASE64: {}, BASE32: {}}
    for form in forms if len(octets) >= SHORTEST else ():
        for code in _codes(form[:LONGEST]):
            codes[code.kind].setdefault(code.text, code)
    return Secret(plain, alone, codes, len(octets) > LONGEST)


def _encoded(text: str) -> Iterator[bytes]:
    """``text`` in every encoding. Must import nothing, as str.encode does for UTF-16: an error is redacted
    even when no more files can be opened."""
    yield text.encode("utf-8", "surrogatepass")
    for encode in (utf_16_le_encode, utf_16_be_encode):
        yield encode(text, "surrogatepass")[0]
    for encoding in () if text.isascii() else SINGLE_BYTE:
        with suppress(UnicodeEncodeError, LookupError):
            yield text.encode(encoding)


def _plain(text: str, forms: Iterable[bytes]) -> tuple[str, ...]:
    """As it is, with + for blanks, with its own escapes undone, and decoded wrongly."""
    found = [_octets(text), _octets(text.replace(" ", "+"))]
    found += (view.text for view in _unescaped(_view(text)) if len(view.text) >= SHORTEST)
    if not text.isascii():
        for form in forms:
            latin = form.decode("latin-1")
            found += (latin, _octets(latin), _octets(form.decode("utf-8", "replace")))
    found += [one.replace("\0", "") for one in found]
    return tuple(dict.fromkeys(one for one in found if len(one) >= min(len(text), SHORTEST)))


def _codes(octets: bytes) -> Iterator[Code]:
    """``octets`` encoded within longer text, for each possible offset in an encoding group."""
    yield Code(HEX, octets.hex(), False, False)
    for kind, (encode, group, bits) in _ALPHABETS.items():
        for offset in range(group):
            code = encode(b"\0" * offset + octets).decode("ascii")
            first, end = -(-offset * 8 // bits), (offset + len(octets)) * 8 // bits
            after = (offset + len(octets)) * 8 % bits != 0
            yield Code(kind, code[first:end], offset * 8 % bits != 0, after)


def views(text: str) -> Iterator[tuple[View, dict[str, View]]]:
    """``text`` as it is and with its escapes undone, each with the variants to search for codes."""
    first = _view(text)
    for view in (first, *_unescaped(first)):
        lower, joined = view.text.lower(), view.rewritten(_LINES, _nothing)
        coded = {
            BASE64: joined._replace(text=joined.text.translate(_URL_SAFE)),
            BASE32: joined._replace(text=joined.text.upper()),
        }
        if _SOME_HEX.search(lower):
            coded[HEX] = view._replace(text=lower).rewritten(_GAP, _nothing)
        yield view, coded


_URL_SAFE = str.maketrans("-_", "+/")


def spans(text: str, secrets: Sequence[Secret]) -> list[tuple[int, int]]:
    """Where ``text`` contains ``secrets`` in any form, from left to right, not overlapping."""
    found: list[tuple[int, int]] = []
    for view, coded in views(text):
        without = view.rewritten(_NUL, lambda match: match[1]) if "\0" in view.text else view
        for one in secrets:
            for plain in one.plain:
                if plain in view.text:
                    found += _all(view, plain, alone=one.alone)
                if without is not view:
                    found += _all(without, plain, alone=one.alone)
            for kind, disguised in coded.items():
                text = disguised.text
                for code in [code for code in one.codes[kind] if code in text]:
                    found += _codes_in(disguised, one.codes[kind][code], is_cut=one.is_cut)
    return _merged(found)


def _all(view: View, wanted: str, *, alone: bool) -> Iterator[tuple[int, int]]:
    at = view.text.find(wanted)
    while at >= 0:
        end = at + len(wanted)
        if not alone or not (_is_word(view.text[at - 1 : at]) or _is_word(view.text[end : end + 1])):
            yield view.starts[at], view.ends[end - 1]
        at = view.text.find(wanted, end)


def _codes_in(view: View, code: Code, *, is_cut: bool) -> Iterator[tuple[int, int]]:
    """Matches of ``code``, with the adjacent characters that encode part of it, and the padding."""
    characters, text = _CHARACTERS[code.kind], view.text
    at = text.find(code.text)
    while at >= 0:
        end = at + len(code.text)
        run = characters.match(text, end)
        rest = run.end() if run else end
        first = at - 1 if code.before and characters.fullmatch(text[at - 1 : at] or "-") else at
        last = rest if is_cut else min(rest, end + code.after)
        if code.kind != HEX:
            last += len(text[last : last + MOST_PADDING]) - len(text[last : last + MOST_PADDING].lstrip("="))
        yield view.starts[first], view.ends[last - 1]
        at = text.find(code.text, end)


def _is_word(char: str) -> bool:
    return char.isalnum() or char == "_" or char > "\x7f"


def _merged(found: list[tuple[int, int]]) -> list[tuple[int, int]]:
    merged: list[tuple[int, int]] = []
    for start, end in sorted(found):
        if merged and start < merged[-1][1]:
            merged[-1] = merged[-1][0], max(end, merged[-1][1])
        else:
            merged.append((start, end))
    return merged


def _view(text: str) -> View:
    here = range(len(text))
    view = View(text, here, range(1, len(text) + 1))
    return view if text.isascii() else view.rewritten(_NOT_ASCII, lambda match: _octets(match[0]))


def _octets(text: str) -> str:
    return text if text.isascii() else text.encode("utf-8", "surrogatepass").decode("latin-1")


def _nothing(match: re.Match[str]) -> str:
    return ""


def _unescaped(view: View) -> Iterator[View]:
    """With escapes undone, once and repeatedly. ``\\xe9`` is a byte (in C) or a character (in JavaScript; in
    Python either): both are tried."""
    for put in (_byte, _character) if re.search(r"\\x[89a-fA-F]", view.text) else (_byte,):
        this = view
        for _ in range(ROUNDS):
            if "%" not in this.text and "\\" not in this.text and "&" not in this.text:
                break
            next_ = this.rewritten(_ESCAPE, put)
            if next_ is this:
                break
            yield next_
            this = next_


def _byte(match: re.Match[str]) -> str:
    return chr(int(match["byte"], 16)) if match["byte"] else _character(match)


def _character(match: re.Match[str]) -> str:
    groups = match.groupdict()
    kind = next(name for name, value in groups.items() if value is not None)
    value = match[kind]
    if kind == "percent":
        return chr(int(value, 16))
    if kind == "octal":
        return chr(int(value, 8) & 0xFF)
    if kind == "one":
        return _ONE.get(value, value)
    if kind in ("name", "old"):
        from html import unescape  # 2 ms, for entities with names only

        found = unescape(f"&{value};")
        return _octets(found) if not found.startswith("&") or len(found) == 1 else match[0]
    if kind in ("high", "low"):
        code = 0x10000 + ((int(match["high"], 16) & 0x3FF) << 10) + (int(match["low"], 16) & 0x3FF)
    else:
        code = int(value, 10 if kind == "decimal" else 16)
    return _octets(chr(code)) if code <= 0x10FFFF else match[0]
