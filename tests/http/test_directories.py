"""red-connector-http: directories, by listing and as servers show them."""

import os
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

from tests.conformance.promises import NAMES
from tests.servers import PASSWORD, USERNAME, Web, delay, fault
from tests.servers.apache import Apache
from tests.servers.fault import FaultServer, Reply
from tests.servers.nginx import Nginx
from tests.servers.rclone_http import Rclone
from tests.servers.simple import Simple
from tests.support.program import PRESIGNED, Result, run
from tests.support.trees import file, listing, read, write

HTTP = "red-connector-http"
AUTH = {"username": USERNAME, "password": PASSWORD}
SLOW = 0.25  # seconds
TREE = {
    "a.txt": b"a",
    "empty.txt": b"",
    ".hidden": b"h",
    "sub/b.txt": b"bb",
    "sub/deep er/c.txt": b"ccc",
    "x" * 80 + ".txt": b"a name that index pages shorten",
    **{f"odd/{name}": name.encode() for name in NAMES},
}


def receive(access: dict[str, Any], target: Path, *extra: object, **env: str) -> Result:
    return run(
        HTTP, "receive-dir", access, target, *extra, env={"RED_RETRIES": "0", "RED_TIMEOUT": "3", **env}
    )


def place(server: Web, folder: str, tree: dict[str, bytes] = TREE) -> None:
    for path, content in tree.items():
        server.place(f"{folder}/{path}", content)


# --- as servers show them -----------------------------------------------------------------------


@pytest.mark.parametrize("slash", ["", "/"])
def test_the_index_pages_of_nginx_are_understood(web: Nginx, fresh: str, tmp_path: Path, slash: str) -> None:
    place(web, fresh)
    result = receive({"url": f"{web.plain}/{fresh}{slash}"}, tmp_path / "d")
    assert result.code == 0, result.stderr
    # nginx hides names that begin with a dot
    assert read(tmp_path / "d") == {name: content for name, content in TREE.items() if name != ".hidden"}


def test_the_index_pages_of_apache_are_understood(httpd: Apache, fresh: str, tmp_path: Path) -> None:
    place(httpd, fresh)
    result = receive({"url": f"{httpd.plain}/{fresh}"}, tmp_path / "d")
    assert result.code == 0, result.stderr
    assert read(tmp_path / "d").items() >= {n: c for n, c in TREE.items() if n != ".hidden"}.items()


def test_the_index_pages_of_python_are_understood(plain: Simple, fresh: str, tmp_path: Path) -> None:
    place(plain, fresh)
    result = receive({"url": f"{plain.url}/{fresh}"}, tmp_path / "d")
    assert result.code == 0, result.stderr
    assert read(tmp_path / "d") == TREE


def test_the_index_pages_of_rclone_are_understood(rclone_web: Rclone, fresh: str, tmp_path: Path) -> None:
    place(rclone_web, fresh)
    result = receive({"url": f"{rclone_web.plain}/{fresh}"}, tmp_path / "d")
    assert result.code == 0, result.stderr
    assert result.stderr == "", "nothing was left out"
    assert read(tmp_path / "d") == TREE


SERVERS = {"nginx": "web", "apache": "httpd", "rclone": "rclone_web"}


@pytest.mark.parametrize("server", SERVERS)
def test_a_webdav_directory_is_listed(
    request: pytest.FixtureRequest, fresh: str, tmp_path: Path, server: str
) -> None:
    web = request.getfixturevalue(SERVERS[server])
    place(web, fresh)
    web.folder(web.root / fresh / "nothing in it")
    result = receive({"url": f"{web.dav}/{fresh}"}, tmp_path / "d")
    assert result.code == 0, result.stderr
    assert read(tmp_path / "d").items() >= {n: c for n, c in TREE.items() if n != ".hidden"}.items()
    assert (tmp_path / "d" / "nothing in it").is_dir()


def test_a_server_that_shows_nothing_is_78_with_a_hint(faulty: FaultServer, tmp_path: Path) -> None:
    faulty.on("/d/", Reply(b"<html><body><h1>Welcome</h1><p>to our shop</p></body></html>"))
    for result in (
        receive({"url": f"{faulty.url}/d/"}, tmp_path / "d"),
        run(HTTP, "receive-dir-validate", {"url": f"{faulty.url}/d/"}),
    ):
        assert result.code == 78, result.stderr
        assert "--listing" in result.stderr


def test_a_directory_that_may_not_be_shown_is_77_or_78(web: Nginx, fresh: str, tmp_path: Path) -> None:
    place(web, fresh)
    assert receive({"url": f"{web.put}/{fresh}"}, tmp_path / "d").code == 77


@pytest.mark.parametrize(
    "href",
    [
        "../../etc/passwd",
        "/etc/passwd",
        "..%2f..%2fx",
        "%2e%2e/x",
        "a/../../x",
        "..",
        "x%00y",
        "http://127.0.0.1:9/x",
    ],
)
def test_an_index_page_never_leads_outside(faulty: FaultServer, tmp_path: Path, href: str) -> None:
    page = "<html><head><title>Index of /d/</title></head><body><h1>Index of /d/</h1><pre>"
    page += '<a href="../">../</a>\n'
    page += f'<a href="good.txt">good.txt</a>\n<a href="{href}">x</a>\n</pre></body></html>'
    faulty.on("/d/", Reply(page.encode(), headers={"Content-Type": "text/html"}))
    faulty.on("/d/good.txt", Reply(b"good"))
    (tmp_path / "in").mkdir()
    result = receive({"url": f"{faulty.url}/d/"}, tmp_path / "in" / "d")
    assert result.code in (0, 76), result.stderr
    assert set(read(tmp_path)) <= {"in/d/good.txt"}
    assert all(one.path.startswith("/d") for one in faulty.seen)


# --- by listing ---------------------------------------------------------------------------------


def test_odd_names_are_quoted_segment_by_segment(faulty: FaultServer, tmp_path: Path) -> None:
    for name in NAMES:
        faulty.on(f"/d/{quote(name, safe='')}", Reply(name.encode()))
    facts = [file(name, size=len(name.encode())) for name in NAMES]
    result = receive({"url": f"{faulty.url}/d"}, tmp_path / "d", "--listing", facts)
    assert result.code == 0, result.stderr
    assert read(tmp_path / "d") == {name: name.encode() for name in NAMES}
    assert {one.path for one in faulty.seen} == {f"/d/{quote(name, safe='')}" for name in NAMES}


def test_the_query_of_the_base_url_goes_with_every_file(faulty: FaultServer, tmp_path: Path) -> None:
    faulty.on("/d/a%20b", Reply(b"1"))
    faulty.on("/d/s/c", Reply(b"2"))
    facts = [file("a b"), {"class": "Directory", "basename": "s", "listing": [file("c")]}]
    result = receive({"url": f"{faulty.url}/d?sig={PRESIGNED}&v=1"}, tmp_path / "d", "--listing", facts)
    assert result.code == 0, result.stderr
    assert {one.path for one in faulty.seen} == {
        f"/d/a%20b?sig={PRESIGNED}&v=1",
        f"/d/s/c?sig={PRESIGNED}&v=1",
    }


def test_connections_are_reused_and_files_are_received_in_parallel(
    web: Nginx, fresh: str, tmp_path: Path
) -> None:
    tree = {f"f{number}": b"x" * 100 for number in range(60)}
    place(web, fresh, tree)
    port = int(web.plain.rpartition(":")[2])
    with delay.start(port, 0.05) as relay:
        access = {"url": f"http://127.0.0.1:{relay.port}/{fresh}"}
        result = receive(access, tmp_path / "d", "--listing", listing(tree))
        assert result.code == 0, result.stderr
        assert relay.connections <= 9
        assert result.seconds < 60 * 0.1 / 3
        alone = receive(
            access, tmp_path / "e", "--listing", listing(dict(list(tree.items())[:3])), RED_PARALLEL="1"
        )
        assert alone.code == 0
    assert read(tmp_path / "d") == tree


@pytest.mark.parametrize("parallel", [1, 3, 6])
def test_red_parallel_limits_concurrent_transfers(faulty: FaultServer, tmp_path: Path, parallel: int) -> None:
    tree = {f"f{number}": b"x" for number in range(12)}
    for name in tree:
        faulty.on(f"/d/{name}", Reply(b"x", pause=SLOW))
    facts = listing(tree)
    result = receive(
        {"url": f"{faulty.url}/d"}, tmp_path / "d", "--listing", facts, RED_PARALLEL=str(parallel)
    )
    assert result.code == 0, result.stderr
    began = [one.at for one in faulty.seen]
    under_way = [sum(other <= one < other + SLOW for other in began) for one in began]
    assert max(under_way) == parallel


def test_a_permanent_failure_of_one_file_does_not_stop_the_others(
    faulty: FaultServer, tmp_path: Path
) -> None:
    faulty.on("/d/bad", Reply(b"", 503))
    for number in range(5):
        faulty.on(f"/d/f{number}", Reply(b"fine"))
    facts = [file("bad"), *(file(f"f{number}") for number in range(5)), file("gone")]
    result = receive({"url": f"{faulty.url}/d"}, tmp_path / "d", "--listing", facts)
    assert result.code == 66, "75 would promise that the same call may succeed"
    assert "bad" in result.stderr
    assert "gone" in result.stderr
    assert len(read(tmp_path / "d")) == 5


def test_only_temporary_failures_are_75(faulty: FaultServer, tmp_path: Path) -> None:
    faulty.on("/d/a", Reply(b"", 503))
    faulty.on("/d/b", Reply(b"b"))
    facts = [file("a"), file("b")]
    assert receive({"url": f"{faulty.url}/d"}, tmp_path / "d", "--listing", facts).code == 75
    faulty.on("/d/a", Reply(b"a"))
    assert receive({"url": f"{faulty.url}/d"}, tmp_path / "d", "--listing", facts).code == 0


def test_a_deep_or_long_listing_does_not_crash(tmp_path: Path) -> None:
    deep: list[Any] = [file("x")]
    for _ in range(3000):
        deep = [{"class": "Directory", "basename": "d", "listing": deep}]
    text = "[" * 5000 + "]" * 5000
    (tmp_path / "deep.json").write_text(text)
    nested = "[" + '{"class":"Directory","basename":"d","listing":[' * 3000 + "]}" * 3000 + "]"
    (tmp_path / "nested.json").write_text(nested)
    for name in ("deep.json", "nested.json"):
        access = {"url": "http://127.0.0.1:9/d"}
        result = run(HTTP, "receive-dir-validate", "--offline", access, "--listing", tmp_path / name)
        assert result.code == 78, result.stderr[:300]


def test_a_link_in_the_target_is_not_followed_out_of_it(faulty: FaultServer, tmp_path: Path) -> None:
    faulty.on("/d/sub/x", Reply(b"new"))
    (tmp_path / "outside").mkdir()
    (tmp_path / "d").mkdir()
    os.symlink(tmp_path / "outside", tmp_path / "d" / "sub")
    facts = [{"class": "Directory", "basename": "sub", "listing": [file("x")]}]
    receive({"url": f"{faulty.url}/d"}, tmp_path / "d", "--listing", facts)
    assert read(tmp_path / "outside") == {}


def test_credentials_do_not_follow_a_file_to_another_host(faulty: FaultServer, tmp_path: Path) -> None:
    with fault.start() as other:
        other.on("/a", Reply(b"a"))
        faulty.on("/d/a", Reply(status=302, headers={"Location": f"{other.url}/a"}))
        faulty.on("/d/b", Reply(b"b"))
        access = {"url": f"{faulty.url}/d", "auth": AUTH}
        assert receive(access, tmp_path / "d", "--listing", [file("a"), file("b")]).code == 0
        assert all("authorization" not in one.headers for one in other.seen)


# --- sending ------------------------------------------------------------------------------------


def send(access: dict[str, Any], source: Path, **env: str) -> Result:
    return run(HTTP, "send-dir", access, source, env={"RED_RETRIES": "0", "RED_TIMEOUT": "3", **env})


def test_a_directory_is_put_file_by_file_without_webdav(web: Nginx, fresh: str, tmp_path: Path) -> None:
    write(tmp_path / "d", TREE)
    result = send({"url": f"{web.put}/{fresh}/to"}, tmp_path / "d")
    assert result.code == 0, result.stderr
    assert read(web.root / fresh / "to") == TREE


@pytest.mark.parametrize("server", SERVERS)
def test_folders_are_created_on_a_webdav_server(
    request: pytest.FixtureRequest, fresh: str, tmp_path: Path, server: str
) -> None:
    web = request.getfixturevalue(SERVERS[server])
    web.folder(web.root / fresh)
    write(tmp_path / "d", TREE)
    (tmp_path / "d" / "nothing in it").mkdir()
    for _ in range(2):
        result = send({"url": f"{web.dav}/{fresh}/new/to"}, tmp_path / "d")
        assert result.code == 0, result.stderr
        arrived = {n: c for n, c in read(web.root / fresh / "new" / "to").items() if ".DAV/" not in n}
        assert arrived == TREE
    assert (web.root / fresh / "new" / "to" / "nothing in it").is_dir()


def test_the_default_method_is_put(faulty: FaultServer, tmp_path: Path) -> None:
    write(tmp_path / "d", {"a b": b"1", "s/c": b"2"})
    assert send({"url": f"{faulty.url}/put?v=1"}, tmp_path / "d").code == 0
    assert send({"url": f"{faulty.url}/post", "method": "POST"}, tmp_path / "d").code == 0
    assert faulty.stored == {"/put/a%20b": b"1", "/put/s/c": b"2", "/post/a%20b": b"1", "/post/s/c": b"2"}
    sent = {(one.method, one.path) for one in faulty.seen if one.method in ("PUT", "POST")}
    assert ("PUT", "/put/a%20b?v=1") in sent
    assert ("POST", "/post/s/c") in sent


def test_every_file_that_could_not_be_sent_is_named(faulty: FaultServer, tmp_path: Path) -> None:
    write(tmp_path / "d", {"a": b"1", "b": b"2", "c": b"3"})
    faulty.on("/d/a", Reply(b"", 403), method="PUT")
    faulty.on("/d/b", Reply(b"", 503), method="PUT")
    result = send({"url": f"{faulty.url}/d"}, tmp_path / "d")
    assert result.code == 77, result.stderr
    assert "/d/a" in result.stderr
    assert "/d/b" in result.stderr
