"""Wrong directory listings over HTTP: WebDAV responses and pages."""

import html
from collections.abc import Callable
from dataclasses import dataclass
from urllib.parse import quote

from connectors.errors import Exit
from connectors.model import Verb
from torture import web
from torture.case import Case, kind
from torture.trial import FOLDER, LATER, SENSIBLE, Trial
from torture.web import Answer, Request
from torture.web_scene import WebScene, lied_to, scene

GROUP = "Directories that are shown wrongly"
CODES = SENSIBLE | {Exit.CONFIG}


@dataclass
class Shown:
    """A folder as shown: ``children`` are names, and whether each is a folder; ``dav``: by WebDAV."""

    case: Case
    one: WebScene
    folder: str
    answer: Answer
    children: list[tuple[str, bool]]
    dav: bool
    prefix: str = ""
    inner: str = "HTTP/1.1 200 OK"
    itself: bool = True
    odd: str = ""

    def show(self) -> None:
        """Put it into the response."""
        here = f"{self.prefix}/{quote(self.folder)}/"
        if not self.dav:
            links = "".join(web.link(name, deep) for name, deep in self.children)
            if self.prefix:
                links = "".join(
                    f'<a href="{here}{quote(name)}{"/" * deep}">x</a>' for name, deep in self.children
                )
            self.answer.body = web.page(self.folder, links + self.odd)
            return
        found = web.response(here, deep=True) if self.itself else ""
        for name, deep in self.children:
            found += web.response(
                here + quote(name) + "/" * deep, deep=deep, size=self.size(name), status=self.inner
            )
        self.answer.body = web.multistatus(found + self.odd)

    def size(self, name: str) -> int:
        return len(self.one.server.files.get(f"{self.folder}/{name}", b""))

    def add(self, name: str, deep: bool = False) -> None:
        """Add one entry, unquoted."""
        if self.dav:
            self.odd += web.response(f"/{quote(self.folder)}/{name}", deep=deep, size=5)
        else:
            self.odd += f'<a href="{html.escape(name)}">{html.escape(name)}</a>'


def _prefix(shown: Shown) -> None:
    """The server uses the names behind a proxy, or of another server."""
    shown.prefix = shown.case.pick(("/inner", "http://other.example", "http://127.0.0.1:1/x", "/a/b/c"))


def _inner_status(shown: Shown) -> None:
    shown.inner = f"HTTP/1.1 {shown.case.pick((401, 403, 404, 423, 424, 500))} Odd"


def _nothing_at_all(shown: Shown) -> None:
    shown.children, shown.itself = [], False
    shown.case.note("not even itself")


def _dangerous(shown: Shown) -> None:
    long = "x" * 300
    names = (
        "%2e%2e",
        "..%2fup",
        "a%2fb",
        "%2fetc%2fpasswd",
        "a%00b",
        ".x.red-part",
        long,
        "%2e",
        "a%0ab",
        "%ff%fe",
        "..%5cx",
    )
    shown.add(shown.case.pick(names))


def _twice(shown: Shown) -> None:
    shown.children += shown.children * shown.case.pick((1, 3))
    shown.case.random.shuffle(shown.children)


def _kinds_confused(shown: Shown) -> None:
    """A file is shown as a folder, or vice versa."""
    at = shown.case.random.randrange(len(shown.children))
    name, deep = shown.children[at]
    shown.children[at] = (name, not deep)


def _not_there(shown: Shown) -> None:
    shown.add("ghost.txt")


def _in_itself(shown: Shown) -> None:
    shown.add(
        shown.case.pick(("./", "../", f"../{quote(shown.folder.rpartition('/')[2])}/", "loop/")), deep=True
    )


def _cut(shown: Shown) -> None:
    shown.show()
    if not shown.dav:
        shown.answer.framing = "close"
    at = int(shown.case.random.random() * (len(shown.answer.body) - 20))
    shown.answer.body = shown.answer.body[:at]


def _not_xml(shown: Shown) -> None:
    bodies = (
        b"<html>",
        b"<a/>",
        b'<?xml version="1.0"?><!DOCTYPE a [<!ENTITY b "c">]><a>&b;</a>',
        b"{}",
        b"\xff\xfe",
        b"",
    )
    shown.answer.body = shown.case.pick(bodies)


def _other_page(shown: Shown) -> None:
    pages = (
        b"<html><title>Log in</title><form></form></html>",
        b"<html><title>Welcome</title><a href='x'>x</a></html>",
        b"{}",
        b"null",
        b"",
        b'[{"name": "a"}]',
        b'[{"type": "file"}]',
        b"[1, 2]",
    )
    shown.answer.body = shown.case.pick(pages)
    shown.answer.fields["Content-Type"] = shown.case.pick(("text/html", "application/json"))


def _deep(shown: Shown) -> None:
    """Ten thousand nested XML elements."""
    shown.answer.body = b"<a>" * 10_000 + b"</a>" * 10_000


WAYS: dict[str, tuple[Callable[[Shown], None], str]] = {
    "under another prefix or host": (_prefix, "both"),
    "with an error inside": (_inner_status, "dav"),
    "with no entry at all": (_nothing_at_all, "dav"),
    "with a dangerous name": (_dangerous, "both"),
    "with each entry several times": (_twice, "both"),
    "a file as a folder, or a folder as a file": (_kinds_confused, "both"),
    "with a file that is not there": (_not_there, "both"),
    "in itself": (_in_itself, "both"),
    "cut, with nothing to show it": (_cut, "both"),
    "as what is no WebDAV answer": (_not_xml, "dav"),
    "as what is no directory page": (_other_page, "page"),
    "as XML that is very deep": (_deep, "dav"),
}
"""What is changed in a directory, and in which format."""
WHOLE = (_cut, _not_xml, _other_page, _deep)


def _register(name: str, way: Callable[[Shown], None], how: str) -> None:
    @kind(GROUP, name, weight=4)
    def try_it(case: Case) -> None:
        with scene(case, ("red-connector-http", "red-connector-http-mock-send")) as one:
            one.server.dav = how == "dav" or (how == "both" and case.chance(0.5))
            one.server.index = True
            trial = Trial(case, one, Verb.RECEIVE_DIR, checking=case.chance(0.1), listing=False, most=5000)
            folders = sorted(one.server.folders)
            at = case.pick([path for path in folders if path.startswith(f"{case.name}/{FOLDER}")])
            method = "PROPFIND" if one.server.dav else "GET"
            lie = web.Lie(frozenset({method}), times=case.pick((1, 1 << 30)))
            lie.about = lambda request: request.name == at

            def twist(request: Request, answer: Answer) -> None:
                shown = Shown(case, one, at, answer, one.server.children(at), one.server.dav)
                way(shown)
                if way not in WHOLE:
                    shown.show()

            lie.twist = twist
            case.note(f"{at} is shown {name}")
            lied_to(case, one, trial, lie, CODES | LATER)


for _name, (_way, _how) in WAYS.items():
    _register(_name, _way, _how)
