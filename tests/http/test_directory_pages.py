"""Directory pages, as many servers make them, and WebDAV answers of all kinds: what is read from them."""

import re
import socket
from collections.abc import Iterator, Mapping
from itertools import count, islice
from pathlib import Path
from typing import Any

import pytest

from connectors.errors import (
    ConfigError,
    NotFound,
    NotPermitted,
    ProtocolViolation,
    RedError,
    TemporaryFailure,
)
from connectors.http.directory import found, index
from connectors.http.transport.reply import Reply
from tests.http.test_hardening import head, serving
from tests.support.directory_pages import PAGES
from tests.support.program import start

URL = "http://h.example/data/d/"
EXPECTED = [("a b.txt", False), ("sub", True)]
HTML = {"content-type": "text/html", "content-length": "1"}


def shown(
    body: str | bytes,
    status: int = 200,
    headers: Mapping[str, str] = HTML,
    url: str = URL,
    pieces: int = 7,
) -> list[index.Child]:
    """The children that a page shows; it arrives in so many bytes at once."""
    octets = body.encode() if isinstance(body, str) else body

    def ask(method: str, _: Any, content: bytes | None, begin: Any, take: Any) -> Reply:
        if method == "PROPFIND" and status != 207:
            begin(Reply(405, "", {}, url))
            return Reply(405, "", {}, url)
        reply = Reply(status, "", headers, url)
        begin(reply)
        for at in range(0, len(octets), pieces):
            take(octets[at : at + pieces])
        return reply

    return list(index.children(ask, url))


def names(*arguments: Any, **options: Any) -> list[tuple[str, bool]]:
    return sorted((child.name, child.is_dir) for child in shown(*arguments, **options))


# --- pages of servers ---------------------------------------------------------------------------


@pytest.mark.parametrize("server", PAGES)
def test_the_directory_pages_of_many_servers_are_understood(
    server: str, capsys: pytest.CaptureFixture[str]
) -> None:
    kind = "application/json" if server.endswith("json") else "text/html;charset=utf-8"
    headers = {"content-type": kind, "content-length": "1"}
    assert names(PAGES[server], headers=headers) == EXPECTED
    assert capsys.readouterr().err == "", "nothing was left out"


# --- pages that lead elsewhere ------------------------------------------------------------------


def page(*links: tuple[str, str], title: str = "Index of /data/d", row: str = "<td>{}</td>") -> str:
    rows = "".join(row.format(f'<a href="{href}">{text}</a>') for href, text in links)
    return f"<html><head><title>{title}</title></head><body><table><tr>{rows}</tr></table></body></html>"


GOOD = ("a%20b.txt", "a b.txt")
SUB = ("sub/", "sub/")
ELSEWHERE = {
    "by-number": ("/api/access/datafile/24", "a.csv"),
    "by-number-without-ending": ("/api/access/datafile/24", "README"),
    "by-query": ("/data/d?folder=more", "more/"),
    "by-short-query": ("?d=more", "more"),
    "in-another-tree": ("/repository/raw/a.csv", "a.csv"),
    "at-another-host": ("http://other.example/files/a.csv", "a.csv"),
    "as-another-view": ("c.txt?raw=1", "c.txt"),
    "on-the-next-page": ("?page=2", "Next"),
}


@pytest.mark.parametrize("name", ELSEWHERE)
def test_entries_linked_elsewhere_are_reported(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(ProtocolViolation, match="cannot be received"):
        shown(page(ELSEWHERE[name]))
    assert names(page(GOOD, SUB, ELSEWHERE[name])) == EXPECTED
    assert "warning" in capsys.readouterr().err


@pytest.mark.parametrize("row", ["<td>{}</td>", "<li>{}</li>"])
@pytest.mark.parametrize(
    "link",
    [
        ("/data/", "Parent Directory"),
        ("../", "../"),
        ("/", "Home"),
        ("?C=N;O=D", "Name"),
        ("?sort=name&amp;order=asc", "name"),
        ("?C=M&amp;O=A", "Last modified"),
        ("#top", "Top"),
        ("mailto:me@h.example", "me@h.example"),
        ("javascript:void(0)", "List"),
    ],
)
def test_links_that_are_not_entries_are_ignored(
    link: tuple[str, str], row: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert names(page(GOOD, SUB, link, row=row)) == EXPECTED
    assert names(page(link, row=row)) == [], "the directory is empty"
    assert capsys.readouterr().err == ""


def test_an_unclosed_comment_does_not_make_a_directory_empty() -> None:
    """Some versions of Python read on in it, others take all the rest for the comment."""
    try:
        assert names(page(GOOD, SUB).replace("<table>", "<!-- <table>")) == EXPECTED
    except ConfigError:
        pass
    with pytest.raises(ConfigError):
        names(page().removesuffix("</body></html>"))


def test_a_footnote_is_not_an_entry(capsys: pytest.CaptureFixture[str]) -> None:
    for link in (("https://nginx.org/", "nginx.org"), ("https://example.org/caddy", "Caddy")):
        assert names(page(GOOD, SUB, link, row="<p>{}</p>")) == EXPECTED
    assert capsys.readouterr().err == ""


def test_an_entry_with_a_second_link_is_listed_once(capsys: pytest.CaptureFixture[str]) -> None:
    assert names(page(("a%20b.txt?download", "get"), GOOD, SUB, ("sub/?zip=1", "zip"))) == EXPECTED
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize(
    "prefix",
    ["/data/d/", "http://h.example/data/d/", "https://h.example:8443/data/d/", "//h.example/data/d/", "./"],
)
def test_links_may_be_absolute(prefix: str) -> None:
    assert names(page((prefix + "a%20b.txt", "a b.txt"), (prefix + "sub/", "sub"))) == EXPECTED


def test_a_page_behind_a_proxy_that_strips_a_prefix_is_understood(
    capsys: pytest.CaptureFixture[str],
) -> None:
    links = [("/d/a%20b.txt", "a b.txt"), ("/d/sub/", "sub"), ("/", "[To Parent Directory]")]
    for title in ("inner - /d/", "Directory: /d/", "Directory Listing For [/d/] - Up To [/]"):
        assert names(page(*links, title=title)) == EXPECTED
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize(
    "link",
    [
        """<a href="javascript:open('a.txt')">a.txt</a>""",
        """<a onclick="open('a.txt')">a.txt</a>""",
        """<a href="#" onclick="open('a.txt')">a.txt</a>""",
    ],
)
def test_a_page_whose_entries_have_no_href_is_not_an_empty_directory(link: str) -> None:
    body = f"<html><title>Index of /data/d</title><body><pre>{link}</pre></body></html>"
    with pytest.raises(ProtocolViolation, match=r"a\.txt"):
        shown(body)


def test_a_base_element_changes_what_links_mean() -> None:
    body = page(GOOD, SUB).replace("<head>", '<head><base href="/data/d/">')
    assert names(body) == EXPECTED
    with pytest.raises(ProtocolViolation):
        names(page(GOOD).replace("<head>", '<head><base href="/elsewhere/">'))


def test_a_trailing_slash_in_name_or_link_marks_a_directory() -> None:
    assert names(page(GOOD, ("sub", "sub/"))) == EXPECTED
    assert names(page(GOOD, ("/data/d/sub", "sub/"))) == EXPECTED


@pytest.mark.parametrize(
    "body",
    [
        "<html><head><title>Welcome</title></head><body><a href='x'>x</a></body></html>",
        "<html><head><title>d</title></head><body><a href='x'>x</a></body></html>",
        "<html><body><pre>text</pre></body></html>",
        "plain text",
        "",
        '{"name": "x", "type": "file"}',
    ],
)
def test_any_other_page_is_not_a_listing(body: str) -> None:
    for kind in ("text/html", "application/json"):
        with pytest.raises(ConfigError, match="does not list"):
            shown(body, headers={"content-type": kind, "content-length": "1"})


# --- pages that are cut, and pages without end ---------------------------------------------------


@pytest.mark.parametrize("server", PAGES)
def test_a_page_without_a_length_must_show_its_end(server: str) -> None:
    kind = {"content-type": "application/json" if server.endswith("json") else "text/html"}
    whole = PAGES[server].rstrip()
    ends = next(end for end in ("</body>", "</pre>", "]") if end in whole)
    assert names(whole, headers=kind) == EXPECTED
    for cut in (whole[: whole.index("sub") + 4], whole[: whole.rindex(ends)]):
        with pytest.raises((TemporaryFailure, ConfigError)) as failure:
            shown(cut, headers=kind)
        # what shows that it is a directory page may not have come yet
        assert isinstance(failure.value, TemporaryFailure) or server in ("caddy", "go", "miniserve")


def test_a_webdav_response_without_a_length_must_show_its_end() -> None:
    body = multistatus(member("/data/d/", "<D:collection/>"), member("/data/d/a%20b.txt"))
    with pytest.raises(TemporaryFailure, match="too early"):
        shown(body[:-30], 207, {})
    with pytest.raises(ProtocolViolation):
        shown(body[:-30], 207, {"content-length": "1"})


def test_a_listing_without_entries_for_too_long_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(index, "LONGEST_GAP", 100_000)
    for body in (page(GOOD) + "<p> </p>" * 20_000, page(GOOD) + '<a href="x">x</a>' * 10_000):
        with pytest.raises(ProtocolViolation, match="no entry"):
            shown(body, pieces=5000)
    for body in (multistatus(" " * 200_000), multistatus(member("/data/d/x") * 2000)):
        with pytest.raises(ProtocolViolation, match="no entry"):
            shown(body, 207, pieces=5000)


def test_endless_entries_that_cannot_be_received_are_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(found, "MOST_LEFT_OUT", 1000)
    monkeypatch.setattr("connectors.http.directory.multistatus.MOST_ASTRAY", 1000)
    links = [(f"/elsewhere/{number}", str(number)) for number in range(1001)]
    with pytest.raises(ProtocolViolation, match="cannot be received"):
        shown(page(GOOD, *links).removesuffix("</tr></table></body></html>"), headers={}, pieces=5000)
    members = [member(f"/{number}/x") for number in range(1001)]
    with pytest.raises(ProtocolViolation, match="which entry is the directory"):
        shown(multistatus(*members).removesuffix("</D:multistatus>"), 207, {}, pieces=5000)


def endless(kind: str) -> Iterator[bytes]:
    """A directory page or a WebDAV answer that never ends."""
    begin = {"html": page().removesuffix("</tr></table></body></html>"), "json": "[", "207": multistatus()}
    yield begin[kind].removesuffix("</D:multistatus>").encode()
    for number in count():
        if kind == "html":
            yield b'<a href="%d">%d</a>' % (number, number)
        elif kind == "json":
            yield b'{"name": "%d", "type": "file"},' % number
        else:
            yield member(f"/data/d/{number}").encode()


@pytest.mark.parametrize("behind_proxy", [False, True])
@pytest.mark.parametrize("kind", ["html", "json", "207"])
def test_entries_are_yielded_before_the_page_ends(kind: str, behind_proxy: bool) -> None:
    url = "http://h.example/proxy/data/d/" if behind_proxy and kind == "207" else URL
    headers = {"content-type": "application/json" if kind == "json" else "text/html"}

    def ask(method: str, _: Any, content: bytes | None, begin: Any, take: Any) -> Reply:
        reply = Reply(207 if kind == "207" else 405 if method == "PROPFIND" else 200, "", headers, url)
        begin(reply)
        if behind_proxy and kind == "207":
            take(multistatus(member("/data/d/", FOLDER)).removesuffix("</D:multistatus>").encode())
        for data in endless(kind) if reply.status != 405 else ():
            if not (behind_proxy and data.startswith(b"<?xml")):
                take(data)
        return reply

    found = index.children(ask, url)
    assert [child.name for child in islice(found, 5000)] == [str(number) for number in range(5000)]
    found.close()  # type: ignore[attr-defined]


@pytest.mark.parametrize("kind", ["html", "json", "207"])
def test_an_endless_directory_is_76_and_takes_little_memory(tmp_path: Path, kind: str) -> None:
    peaks: list[str] = []
    memory = re.compile(r"VmHWM:\s+(\d+) kB")
    kinds = {"html": "text/html", "json": "application/json", "207": "application/xml"}

    def talk(client: socket.socket) -> None:
        request = head(client)
        if request.startswith(b"PROPFIND") and kind != "207":
            client.sendall(b"HTTP/1.1 405 No\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
            return
        status = b"207 Multi-Status" if kind == "207" else b"200 OK"
        client.sendall(b"HTTP/1.1 %s\r\nContent-Type: %s\r\n\r\n" % (status, kinds[kind].encode()))
        pieces = endless(kind)
        while data := b"".join(islice(pieces, 1000)):
            client.sendall(data)
            peaks.extend(memory.findall(Path(f"/proc/{process.pid}/status").read_text()))

    with serving(talk) as url:
        env = {"RED_RETRIES": "0", "RED_MAX_ENTRIES": "50000"}
        process = start(
            "red-connector-http", "receive-dir", {"url": f"{url}/data/d"}, tmp_path / "d", env=env
        )
        _, error = process.communicate(timeout=60)
    assert process.returncode == 76, error.decode()
    assert b"RED_MAX_ENTRIES" in error
    assert int(peaks[-1]) < 60_000, "KiB"
    assert not (tmp_path / "d").exists()


# --- WebDAV -------------------------------------------------------------------------------------


def multistatus(*members: str) -> str:
    return '<?xml version="1.0"?><D:multistatus xmlns:D="DAV:">' + "".join(members) + "</D:multistatus>"


def member(href: str, kind: str = "", size: str = "", status: str = "HTTP/1.1 200 OK") -> str:
    """A response with a propstat."""
    props = f"<D:resourcetype>{kind}</D:resourcetype>"
    props += f"<D:getcontentlength>{size}</D:getcontentlength>" if size else ""
    stat = f"<D:propstat><D:prop>{props}</D:prop><D:status>{status}</D:status></D:propstat>"
    return f"<D:response><D:href>{href}</D:href>{stat}</D:response>"


def failed(href: str, status: str) -> str:
    return f"<D:response><D:href>{href}</D:href><D:status>HTTP/1.1 {status}</D:status></D:response>"


FOLDER = "<D:collection/>"
PREFIXES = {
    "as asked for": "/data/d",
    "with host": "http://h.example/data/d",
    "with another host and scheme": "https://inner.example:8080/data/d",
    "in another way of quoting": "/%64ata/%64",
    "below something else": "/dav/files/d",
    "at the root": "",
    "with another case": "/DATA/D",
    "with more slashes": "//data//d",
}


@pytest.mark.parametrize("slash", ["/", ""])
@pytest.mark.parametrize("name", PREFIXES)
def test_hrefs_may_have_another_prefix_than_the_requested_url(name: str, slash: str) -> None:
    prefix = PREFIXES[name]
    itself = member((prefix + slash) or "/", FOLDER)
    children = [member(f"{prefix}/a%20b.txt", "", "2"), member(f"{prefix}/sub{slash}", FOLDER)]
    for order in ([itself, *children], [*children, itself]):
        assert names(multistatus(*order), 207) == EXPECTED


def test_an_empty_directory_is_empty() -> None:
    for prefix in ("/data/d/", "http://inner/d/", "/other/d", "/"):
        assert names(multistatus(member(prefix, FOLDER)), 207) == []


def test_children_may_be_relative_and_badly_quoted() -> None:
    itself = member("/data/d/", FOLDER)
    assert names(multistatus(itself, member("a b.txt"), member("sub/", FOLDER)), 207) == EXPECTED
    assert names(multistatus(itself, member("/data/d/50%.txt"), member("/data/d/#1")), 207) == [
        ("#1", False),
        ("50%.txt", False),
    ]


@pytest.mark.parametrize(
    "body",
    [
        multistatus(),
        multistatus(member("/elsewhere/x.txt")),
        multistatus(member("/elsewhere/", FOLDER)),
        multistatus(member("/one/x.txt"), member("/two/y.txt")),
        multistatus(member("/one/", FOLDER), member("/two/y.txt")),
        multistatus(member("/data/d/", FOLDER), member("/two/y.txt")),
        multistatus(member("/data/d/", FOLDER), member("http://[bad")),
        multistatus(member("/data/d/", FOLDER), "<D:response></D:response>"),
        "<html></html>",
        '<multistatus xmlns="OTHER:"></multistatus>',
    ],
)
def test_an_unusable_multistatus_is_not_an_empty_directory(body: str) -> None:
    with pytest.raises(ProtocolViolation):
        shown(body, 207)


def test_unusable_entries_are_reported_and_the_others_listed(capsys: pytest.CaptureFixture[str]) -> None:
    body = multistatus(
        member("/data/d/", FOLDER),
        member("/data/d/a%20b.txt"),
        member("/data/d/sub", FOLDER),
        member("/elsewhere/lost.txt"),
        failed("/data/d/dead", "404 Not Found"),
    )
    assert names(body, 207) == EXPECTED
    said = capsys.readouterr().err
    assert "/elsewhere/lost.txt" in said
    assert "dead: 404" in said


@pytest.mark.parametrize("href", ["/data/d/", "/data/d", "/behind/a/proxy/d/"])
@pytest.mark.parametrize("form", [failed, lambda href, status: member(href, "", "", f"HTTP/1.1 {status}")])
@pytest.mark.parametrize(
    ("status", "kind"),
    [
        ("410 Gone", NotFound),
        ("403 Forbidden", NotPermitted),
        ("401 Unauthorized", NotPermitted),
        ("500 Oops", TemporaryFailure),
        ("503 Later", TemporaryFailure),
        ("423 Locked", TemporaryFailure),
        ("501 No", ProtocolViolation),
    ],
)
def test_an_error_status_inside_a_multistatus_is_an_error(
    form: Any, status: str, kind: type[RedError], href: str
) -> None:
    with pytest.raises(kind):
        shown(multistatus(form(href, status)), 207)


def test_a_directory_that_is_404_inside_a_multistatus_is_66() -> None:
    empty = "<D:propstat><D:prop/><D:status>HTTP/1.1 404 Not Found</D:status></D:propstat>"
    for href in ("/data/d/", "/behind/a/proxy/d/"):
        for body in (
            failed(href, "404 Not Found"),
            f"<D:response><D:href>{href}</D:href>{empty}</D:response>",
        ):
            with pytest.raises(NotFound):
                shown(multistatus(body), 207)


@pytest.mark.parametrize("href", ["/data/d/", "/data/d", "/behind/a/proxy/d/"])
@pytest.mark.parametrize(
    "inside",
    [
        "",
        "<D:propstat><D:prop><D:resourcetype/></D:prop><D:status>HTTP/1.1 404 No</D:status></D:propstat>",
        "<D:propstat><D:prop><D:getcontentlength/></D:prop><D:status>HTTP/1.1 200 OK</D:status></D:propstat>",
    ],
)
def test_a_response_without_a_collection_is_not_an_empty_directory(inside: str, href: str) -> None:
    with pytest.raises(ProtocolViolation):
        shown(multistatus(f"<D:response><D:href>{href}</D:href>{inside}</D:response>"), 207)


def test_contradictory_statuses_for_a_directory_are_a_failure() -> None:
    both = [member("/data/d/", FOLDER), failed("/data/d/", "507 Insufficient Storage")]
    for order in (both, both[::-1]):
        with pytest.raises(TemporaryFailure):
            shown(multistatus(*order), 207)


def test_a_forbidden_child_is_listed_as_a_file() -> None:
    body = multistatus(member("/data/d/", FOLDER), failed("/data/d/secret", "403 Forbidden"))
    assert names(body, 207) == [("secret", False)], "receiving it says why not"


def test_only_properties_with_status_200_count() -> None:
    no_type = "<D:prop><D:resourcetype><D:collection/></D:resourcetype></D:prop>"
    no_type = f"<D:propstat>{no_type}<D:status>HTTP/1.1 403 No</D:status></D:propstat>"
    size = "<D:prop><D:getcontentlength>7</D:getcontentlength></D:prop>"
    size = f"<D:propstat>{size}<D:status>HTTP/1.1 200 OK</D:status></D:propstat>"
    child = f"<D:response><D:href>/data/d/x</D:href>{no_type}{size}</D:response>"
    assert shown(multistatus(member("/data/d/", FOLDER), child), 207) == [index.Child("x", False, 7)]


def test_a_file_is_not_an_empty_directory() -> None:
    for href in ("/data/d/", "/data/d", "http://inner/d"):
        with pytest.raises(NotFound, match="is a file"):
            shown(multistatus(member(href, "", "5")), 207)


def test_a_listing_of_all_descendants_yields_the_children() -> None:
    body = multistatus(member("/data/d/", FOLDER), member("/data/d/a%20b.txt"), member("/data/d/sub/deep/x"))
    assert names(body, 207) == EXPECTED
