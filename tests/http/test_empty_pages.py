"""Directory pages without links to entries: which of them show an empty directory."""

import pytest

from connectors.errors import ConfigError, ProtocolViolation
from tests.http.test_directory_pages import shown
from tests.support.empty_pages import EMPTY

NGINX = EMPTY["nginx"]
LIST = "</pre>"


@pytest.mark.parametrize("server", EMPTY)
@pytest.mark.parametrize("pieces", [7, 100_000])
def test_the_empty_directories_of_many_servers_are_empty(server: str, pieces: int) -> None:
    assert shown(EMPTY[server], pieces=pieces) == []


@pytest.mark.parametrize("server", ["nginx", "caddy", "rclone", "tomcat", "miniserve"])
def test_a_directory_of_several_words_may_be_empty(server: str) -> None:
    page = EMPTY[server].replace(">d<", ">my (2) files<").replace("data/d", "data/my (2) files")
    assert shown(page, url="http://h.example/data/my%20(2)%20files/") == []


NO_LINKS = {
    "lines": "a.txt 12 KB\nREADME 3 KB\n",
    "one-word": "README\n",
    "a-number": "2024\n",
    "long-line": "x " * 100_000,
    "list": "</pre><ul><li>a.txt</li></ul>",
    "list-of-words": "</pre><ul><li>README</li><li>data</li></ul>",
    "list-named-like-the-directory": "</pre><ul><li>d</li></ul>",
    "table": "</pre><table><tr><td>README</td><td>12</td></tr></table>",
    "row-titles": "</pre><table><tr><th>Name</th></tr><tr><th>README</th><td>12</td></tr></table>",
    "titles-that-name-files": "</pre><table><tr><th>a.txt</th></tr></table>",
    "definition": "</pre><dl><dt>README</dt></dl>",
    "div": "</pre><div>README</div>",
    "paragraph": "</pre><p>a.txt</p>",
    "heading": "</pre><h2>README</h2>",
    "footer": "</pre><footer>a.txt</footer>",
    "list-in-a-footer": "</pre><footer><ul><li>README</li></ul></footer>",
    "sentence-about-files": "</pre><p>Here you find the file a.txt of mine.</p>",
    "beside-the-parent": "</pre><a href='../'>Up</a> README",
    "button": "</pre><button>README</button>",
    "submit": "</pre><form><input type=submit value=README></form>",
    "option": "</pre><select><option>README</option></select>",
    "option-by-value": "</pre><select><option value='a.txt'></option></select>",
    "area": "<map><area href='README'></map>",
    "form": "<form action='a.txt'></form>",
    "data-href": "<div data-href='README'></div>",
    "row-with-a-handler": "<div onclick=\"location.href='README'\"></div>",
    "custom-element": "<file-list></file-list>",
    "images": "<img src='a.jpg'>",
    "images-here": "<img src='./a.jpg'>",
    "images-with-a-text": "<img src='/thumbnails/24' alt='README'>",
    "list-named-like-a-server": "</pre><ul><li>nginx</li></ul>",
    "script-that-writes": "<script>e.innerHTML = 'README'</script>",
    "script-that-writes-elements": "<script>e.innerHTML += f.map(n => `<li>${n}`)</script>",
    "script-that-leads-elsewhere": "<script>location = 'list'</script>",
    "iframe": "<iframe src='list.html'></iframe>",
    "object": "<object data='list'></object>",
    "redirect": "<meta http-equiv=refresh content='0;url=list'>",
    "noscript": "<noscript>Please allow scripts</noscript>",
    "textarea": "<textarea>a.txt</textarea>",
    "drawing": "<svg><text>a.txt</text></svg>",
    "drawing-without-an-end": "<svg>",
    "comment": "<!-- <a href='a.txt'>a.txt</a> -->",
    "comment-of-xml": "<![CDATA[ <a href='a.txt'>a.txt</a> ]]>",
    "array": '<script>var files=["a.txt"]</script>',
    "array-of-words": '<script>show(["README", "data"])</script>',
    "objects": '<script>show({name: "README"})</script>',
    "chrome": '<script>addRow("README","README",1,0,"0 B",0,"")</script>',
    "fetch": "<script>fetch('?list').then(show)</script>",
    "long-script": f"<script>{'x();' * 20_000}</script>",
    "json": '<script type="application/json">{"x": 1}</script>',
    "app": "<div id=app></div><script src='/app.js'></script>",
    "link-to-nowhere": "<a href='#'>README</a>",
    "link-by-script": "<a href='javascript:f(1)'>README</a>",
    "link-without-address": "<a href=''>a.txt</a>",
    "link-without-href": "<a>README</a>",
    "link-without-text": "</pre><ul><li><a href='/api/24'><img></a></li></ul>",
    "link-by-number-in-a-list": "</pre><ul><li><a href='/api/24'>README</a></li></ul>",
}


@pytest.mark.parametrize("kind", NO_LINKS)
@pytest.mark.parametrize("pieces", [7, 100_000])
def test_a_page_whose_entries_are_not_links_is_not_an_empty_directory(kind: str, pieces: int) -> None:
    with pytest.raises(ProtocolViolation, match="cannot be received"):
        shown(NGINX.replace(LIST, NO_LINKS[kind] + LIST), pieces=pieces)


@pytest.mark.parametrize("kind", NO_LINKS)
def test_what_else_a_page_with_entries_shows_does_not_matter(kind: str) -> None:
    body = NGINX.replace(LIST, f'<a href="a.txt">a.txt</a>{LIST}</pre>{NO_LINKS[kind]}')
    assert "a.txt" in [child.name for child in shown(body)]


@pytest.mark.parametrize("tag", ["noscript", "template"])
def test_links_in_a_template_are_entries(tag: str) -> None:
    body = NGINX.replace(LIST, f"<{tag}><a href='a.txt'>a.txt</a></{tag}>{LIST}")
    assert [child.name for child in shown(body)] == ["a.txt"]


@pytest.mark.parametrize("tag", ["style", "script", "textarea", "!--"])
def test_unclosed_markup_does_not_make_a_directory_empty(tag: str) -> None:
    body = NGINX.replace(LIST, f"<{tag}><a href='/x'>README</a>{LIST}")
    with pytest.raises((ConfigError, ProtocolViolation)):
        shown(body)
