"""Whatever a server says, it is an answer or an error with a code of its own: never 70, never a traceback."""

import contextlib
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from connectors.errors import RedError
from tests.servers.fault import FaultServer, Reply
from tests.support.program import run
from tests.support.trees import file

HTTP = "red-connector-http"
AT_ONCE = {"RED_RETRIES": "0", "RED_TIMEOUT": "2"}
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nConnection: close\r\n"

STATUS_LINES = [
    b"HTTP/1.1\t200 OK", b"HTTP/1.1 200\tOK", b"HTTP/1.1 200", b"HTTP/1.1 200 ", b"HTTP/1.1  200 OK",
    b"HTTP/1.1 ", b"HTTP/1.1 20 OK", b"HTTP/1.1 099 x", b"HTTP/1.1 999 x", b"HTTP/1.1 2000 x",
    b"HTTP/1.1 -20 x", b"HTTP/1.0 200 OK", b"HTTP/2 200", b"HTTP/9.9 200 OK", b"HTTP/1.1 200 \xff\xfe\x00",
    "HTTP/1.1 ²00 x".encode(),
]  # fmt: skip
FIELDS = [
    b"no colon here", b": no name", b"\xff\xfe\x80: \xff\x00\x01", b"ETag: \xff\xfe", b'ETag: "', b"ETag:",
    b"Last-Modified: Sun, 99 Foo 99999 99:99:99 GMT", b"Last-Modified: Thu, 01 Jan 0000 00:00:00 GMT",
    b"Last-Modified: Fri, 31 Dec 9999999 23:59:59 GMT", b"Date: \xff", b"Retry-After: -1",
    b"Retry-After: 1e999", b"Retry-After: \xc2\xb2", b"Repr-Digest: sha-256=:=:", b"Repr-Digest: \xff\xff",
    b"Content-MD5: \xe2\x82\xac", b"Digest: SHA-256=,,,;;=", b"Content-Type: \x00",
    b"Content-Encoding: \xff", b" folded: yes", b"DAV", b"DAV: \xff", b"Content-Length: \xc2\xb2",
    b"Content-Length: +5", b"Content-Range: \xff", b"WWW-Authenticate: \xff", b"Location",
]  # fmt: skip
LOCATIONS = [
    "http://[bad/x", "http://[::1", "//[x", "http://x:99999/", "http://x:port/", "http://\x80\xff/",
    "http://a b/", "?", "#", "//", "///", "http:", "http:///x", "\\\\x\\y", "http://xn--\xff/",
    f"http://{'a' * 70}.example/", "http://.../", "http://%zz/", "http://\u0000/", "data:,x",
    "/" + "x" * 50_000,
]  # fmt: skip
CONTENT_RANGES = [
    "garbage", "bytes", "bytes ", "bytes x-y/z", "bytes 1048576-/", "bytes 99999999999999999999999-1/5",
    "bytes -1-5/9", "bytes */*", "bytes \xb2-\xb3/\xb9", "items 0-1/2",
]  # fmt: skip
PAGES = {
    "href-bracket": b'<title>Index of /</title><a href="http://[x">x</a>',
    "href-port": b'<title>Index of /</title><a href="http://127.0.0.1:99999/d/x">x</a>',
    "href-word-as-port": b'<title>Index of /</title><a href="http://127.0.0.1:port/d/x">x</a>',
    "href-scheme": b'<title>Index of /</title><a href="x:y:z">x</a><a href="//">y</a>',
    "declaration": b"<title>Index of /</title><![ x <a href='x'>",
    "declarations": b"<!DOCTYPE [<!ENTITY <![CDATA[ <!-- <title>Index of /</title>",
    "unended": b"<title>Index of /</title><a href='",
    "entities": b"<title>Index of /</title><a href='&#99999999999;&#xD800;&#0;'>x</a>",
    "bytes": b"<title>Index of /</title><a href='\xff\xfe\x00'>x</a>",
}
OPEN, END = b'<multistatus xmlns="DAV:"><response>', b"</response></multistatus>"
SIZE = b"<href>/d/x</href><propstat><prop><getcontentlength>%s</getcontentlength></prop></propstat>"
MULTISTATUS = {
    "bracket": OPEN + b"<href>http://[x</href>" + END,
    "port": OPEN + b"<href>http://127.0.0.1:99999/d/x</href>" + END,
    "no-href": OPEN + END,
    "unknown-encoding": b'<?xml version="1.0" encoding="klingon"?>' + OPEN + END,
    "multibyte-encoding": b'<?xml version="1.0" encoding="shift_jis"?>' + OPEN + END,
    "utf-16": b'<?xml version="1.0" encoding="utf-16"?>' + OPEN + END,
    "entity": b'<!DOCTYPE x [<!ENTITY a "b">]><multistatus xmlns="DAV:">&a;</multistatus>',
    "no-xml": b"\x00\xff",
    "empty": b"",
    "deep": b"<a>" * 50_000,
    "size": OPEN + SIZE % (b"9" * 5000) + END,
}
JSON_INDEXES = {
    "name-number": b'[{"name": 5, "type": "file"}]',
    "name-null": b'[{"name": null, "type": "directory"}]',
    "size-text": b'[{"name": "x", "type": "file", "size": "12"}]',
    "size-negative": b'[{"name": "x", "type": "file", "size": -1}]',
    "size-list": b'[{"name": "x", "type": "file", "size": []}]',
    "size-float": b'[{"name": "x", "type": "file", "size": 1e400}]',
    "size-digits": b'[{"name": "x", "type": "file", "size": ' + b"9" * 5000 + b"}]",
    "surrogate": b'[{"name": "\\ud800", "type": "file"}]',
    "nul": b'[{"name": "\\u0000", "type": "file"}]',
    "no-type": b'[{"name": "x"}]', "no-list": b'{"name": "x"}', "number": b"5", "null": b"null",
    "empty": b"", "deep": b"[" * 100_000, "bytes": b"\xff\xfe",
}  # fmt: skip


def every_verb(server: FaultServer, here: Path, raw: Reply) -> None:
    """All that can be asked of a server which answers just so; run() looks at the exit code."""
    for method in ("GET", "HEAD", "OPTIONS", "PROPFIND", "PUT", "POST"):
        server.on("/x", raw, method=method)
    (here / "source").write_bytes(b"hello")
    access = {"url": f"{server.url}/x"}
    for verb in ("receive-file", "receive-file-validate", "send-file", "send-file-validate"):
        local = {"receive-file": [here / "target"], "send-file": [here / "source"]}.get(verb, [])
        run(HTTP, verb, access | ({"method": "PUT"} if "send" in verb else {}), *local, env=AT_ONCE)
    assert not (here / "target").exists() or (here / "target").read_bytes() == b"hello"


def all_at_once(server: FaultServer, here: Path, replies: list[Reply]) -> None:
    """Each reply as one file of a directory, and as the answer to a PUT; run() looks at the exit code."""
    source = here / "source"
    source.mkdir(exist_ok=True)
    names = [f"f{number}" for number in range(len(replies))]
    for name, reply in zip(names, replies, strict=True):
        (source / name).write_bytes(b"hello")
        for method in ("GET", "PUT", "HEAD"):
            server.on(f"/d/{name}", reply, method=method)
    env = AT_ONCE | {"RED_PARALLEL": "64"}
    facts = [file(name) for name in names]
    result = run(HTTP, "receive-dir", {"url": f"{server.url}/d"}, here / "d", "--listing", facts, env=env)
    assert result.code in (0, 65, 66, 73, 75, 76, 77), result.stderr
    result = run(HTTP, "receive-dir-validate", {"url": f"{server.url}/d"}, "--listing", facts, env=env)
    assert result.code in (0, 65, 66, 73, 75, 76, 77), result.stderr
    result = run(HTTP, "send-dir", {"url": f"{server.url}/d"}, source, env=env)
    assert result.code == 76, result.stderr


def test_a_strange_status_line_is_never_an_internal_error(faulty: FaultServer, tmp_path: Path) -> None:
    rest = b"\r\nContent-Length: 5\r\nConnection: close\r\n\r\nhello"
    all_at_once(faulty, tmp_path, [Reply(raw=line + rest) for line in STATUS_LINES])


def test_a_strange_header_field_is_never_an_internal_error(faulty: FaultServer, tmp_path: Path) -> None:
    heads = [OK, OK.replace(b"200 OK", b"503 x"), OK.replace(b"200 OK", b"206 x"), b"HTTP/1.1 401 x\r\n"]
    for head in heads:
        all_at_once(
            faulty,
            tmp_path,
            [Reply(raw=head + field + b"\r\n\r\nhello") for field in FIELDS if head != heads[3]],
        )


@pytest.mark.parametrize("raw", [OK + b"\xff\xfe\x00\r\n\r\nhello", b"HTTP/1.1 200\tOK\r\n\r\nhello"])
def test_no_verb_crashes_on_a_strange_response(faulty: FaultServer, tmp_path: Path, raw: bytes) -> None:
    every_verb(faulty, tmp_path, Reply(raw=raw))


def test_an_invalid_location_is_76(faulty: FaultServer, tmp_path: Path) -> None:
    fits = [place.encode("latin-1", "replace").decode("latin-1") for place in LOCATIONS]
    for status in (302, 307):
        all_at_once(faulty, tmp_path, [Reply(status=status, headers={"Location": place}) for place in fits])
    url = faulty.on("/one", Reply(status=302, headers={"Location": LOCATIONS[0]}))
    result = run(HTTP, "receive-file", {"url": url}, tmp_path / "x", env=AT_ONCE)
    assert result.code == 76, result.stderr


@pytest.mark.parametrize("said", CONTENT_RANGES)
def test_a_garbled_content_range_is_never_an_internal_error(
    faulty: FaultServer, tmp_path: Path, said: str
) -> None:
    body = b"0123456789abcdef" * 131_072
    url = faulty.on(
        "/x",
        Reply(body, etag='"v"', cut=1 << 20),
        Reply(body[1 << 20 :], etag='"v"', ranges=False, content_range=said),
        Reply(body, etag='"v"'),
    )
    env = {"RED_RETRIES": "2", "RED_TIMEOUT": "2"}
    result = run(HTTP, "receive-file", {"url": url}, tmp_path / "x", env=env)
    assert result.code == 0, result.stderr
    assert not (tmp_path / "x").exists() or (tmp_path / "x").read_bytes() == body


@pytest.mark.parametrize("name", PAGES)
def test_a_strange_index_page_is_never_an_internal_error(
    faulty: FaultServer, tmp_path: Path, name: str
) -> None:
    directory(faulty, tmp_path, Reply(PAGES[name], headers={"Content-Type": "text/html"}), "GET")


@pytest.mark.parametrize("name", MULTISTATUS)
def test_a_strange_webdav_response_is_never_an_internal_error(
    faulty: FaultServer, tmp_path: Path, name: str
) -> None:
    directory(faulty, tmp_path, Reply(MULTISTATUS[name], 207, {"Content-Type": "text/xml"}), "PROPFIND")


@pytest.mark.parametrize("name", JSON_INDEXES)
def test_a_strange_json_index_is_never_an_internal_error(
    faulty: FaultServer, tmp_path: Path, name: str
) -> None:
    directory(
        faulty, tmp_path, Reply(JSON_INDEXES[name], headers={"Content-Type": "application/json"}), "GET"
    )


def directory(server: FaultServer, here: Path, reply: Reply, method: str) -> None:
    server.on("/d/", reply, method=method)
    access = {"url": f"{server.url}/d/"}
    codes = (0, 65, 66, 75, 76, 78)
    assert run(HTTP, "receive-dir", access, here / "d", env=AT_ONCE).code in codes
    assert run(HTTP, "receive-dir-validate", access, env=AT_ONCE).code in codes


# --- and what nobody has thought of -------------------------------------------------------------

PIECES = [
    b"<", b">", b"<!", b"<![", b"<!--", b"-->", b"]]>", b"<?", b"?>", b"&#", b"&", b";", b'"', b"'", b"=",
    b"href", b"<a ", b"<title>Index of /</title>", b"<title>", b"http://", b"//", b"[", b"]", b":",
    b"99999", b"/d/", b"..", b"%", b"%00", b"\x00", b"\xff", b"{", b"}", b",", b'"name"', b'"type"',
    b'"size"', b'"file"', b"1e999", b"null", b"-1", b'<multistatus xmlns="DAV:">', b"<response>",
    b"<href>", b"</href>", b"</response>", b"</multistatus>", b'<?xml version="1.0" encoding="', b'"?>',
    b"utf-16", b"x",
]  # fmt: skip


@settings(max_examples=600, deadline=None)
@given(
    st.lists(st.one_of(st.sampled_from(PIECES), st.binary(max_size=3)), max_size=12).map(b"".join),
    st.sampled_from(["text/html", "application/json", "text/xml"]),
    st.sampled_from([200, 207]),
)
def test_any_directory_page_is_read_or_refused(body: bytes, kind: str, status: int) -> None:
    from connectors.http.directory import index
    from connectors.http.transport.exchange import Reply as Answer

    def ask(method: str, headers: Any, content: bytes | None, begin: Any, take: Any) -> Answer:
        refused = method == "PROPFIND" and status != 207
        reply = Answer(405 if refused else status, "", {"content-type": kind}, "http://h/d/")
        begin(reply)
        take(body)
        return reply

    with contextlib.suppress(RedError):
        for child in index.children(ask, "http://h/d/"):
            assert isinstance(child.name, str)
            assert child.size is None or (type(child.size) is int and child.size >= 0)


WORDS = [
    b"HTTP/1.1 ", b"200", b" ", b"\t", b"OK", b"206", b"302", b":", b"\r\n", b"\n", b"Location: ", b"/y",
    b"5", b"Content-Length: ", b"Content-Range: ", b"bytes ", b"0-4/5", b"ETag: ", b'"', b"chunked", b"http://[",
    b"Transfer-Encoding: ",
]  # fmt: skip
LINES = st.lists(st.one_of(st.sampled_from(WORDS), st.binary(max_size=4)), max_size=10).map(b"".join)


@settings(
    max_examples=8,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(st.lists(LINES, min_size=20, max_size=40))
def test_any_bytes_are_a_response_or_an_error(
    faulty: FaultServer, tmp_path: Path, lines: list[bytes]
) -> None:
    heads = [b"HTTP/1.1 200 OK\r\n" if number % 3 else b"" for number in range(len(lines))]
    all_at_once(
        faulty,
        tmp_path,
        [Reply(raw=head + line + b"\r\n\r\nhello") for head, line in zip(heads, lines, strict=True)],
    )
