"""What a directory holds, as a web server shows it to people: a page of links in HTML, read as it arrives.

There is no standard for these pages. They are known by their title, which says that they are one or names
the place; what they link below their own address is what the directory holds.
"""

import codecs
import os
import re
from collections.abc import Callable
from html.parser import HTMLParser
from urllib.parse import parse_qsl, unquote, unquote_to_bytes, urlsplit

from connectors import secrets
from connectors.http import url as urls
from connectors.http.directory.emptiness import Emptiness
from connectors.http.directory.found import Found, NoDirectoryPage
from connectors.http.transport.reply import Reply

# nginx, Apache, lighttpd and many more; Python and Tomcat; rclone; Jetty; serve-index and serve of Node.js
TITLE = re.compile(
    r"\s*((index of|directory listing (for|of)|listing directory|files within)\b|directory:)", re.IGNORECASE
)
# the beginning of such a page where a file was asked for
LIKELY = re.compile(rb"<title>\s*(index of|directory listing (for|of)|directory:)[^<]*/", re.IGNORECASE)
IIS_TITLE = re.compile(r"\S+ - (/.*)")
PATH_IN_TITLE = re.compile(r"/[^\]]*")
UP = re.compile(r"\W*((to )?parent( directory)?|(go )?up( to .*)?|back)?\W*", re.IGNORECASE)
SORTING = {"sort", "sort_by", "sortby", "order", "layout"}
SHORT_SORTING = {"c", "o", "n", "m", "s", "d", "f", "v", "p"}  # nginx's fancyindex, Apache, Jetty
PAGING = {"page", "offset", "start", "marker"}
FILE_NAME = re.compile(r"[^\s/]+\.[A-Za-z0-9]{1,8}")
LONGEST_HEAD = 1 << 20  # bytes, after which a page that does not look like one of a directory is none
LONGEST_TEXT = 1 << 12  # characters of a title, or of the text of a link
MOST_VIEWS = 10_000  # links that wait for a plain one to the same
BARE = {"pre", "a", "meta"}  # all there is in a page of Go's file server


class HtmlPage:
    """Reads the page ``reply`` into ``found``. NoDirectoryPage if it is any other page."""

    def __init__(self, reply: Reply, found: Found) -> None:
        self._found = found
        self._url = urlsplit(reply.url)
        self._is_directory_url = urls.is_directory(reply.url)
        self._here = urls.segments(reply.url)
        self._other_views: dict[str, str] = {}
        self._sorts = False
        self._rest = Emptiness(reply.url)
        self._markup = _Markup(reply.url, self._take_link, self._rest)
        self._decode = codecs.getincrementaldecoder("utf-8")("replace").decode
        self._size = 0

    def feed(self, data: bytes) -> None:
        self._size += len(data)
        self._parse(self._decode(data))
        is_long = self._size > LONGEST_HEAD
        if is_long and (len(self._markup.rawdata) > LONGEST_HEAD or not self.is_sure):
            raise NoDirectoryPage

    def close(self) -> bool:
        self._parse(self._decode(b"", True), last=True)
        if not self.is_sure:
            raise NoDirectoryPage
        for text in self._other_views.values():
            self._found.leave_out(text)
        if self._found.is_empty:
            self._rest.close()
            if self._rest.strange:
                self._found.leave_out(self._rest.strange)
        return self._markup.has_ended

    def _parse(self, text: str, *, last: bool = False) -> None:
        try:
            self._markup.feed(text)
            if last:
                self._markup.close()
                self._markup.end_link()
        except (AssertionError, ValueError):  # what HTMLParser makes of markup that is none
            raise NoDirectoryPage from None

    @property
    def is_sure(self) -> bool:
        title, path = self._markup.title.strip(), unquote(self._url.path).strip("/")
        if TITLE.match(title) or self._markup.is_bare:
            return True
        if not title:
            return False
        if match := IIS_TITLE.fullmatch(title):
            title = match[1]
        if title.startswith("/"):  # darkhttpd, rclone; a proxy may have put something before it
            return f"/{path}".endswith(title.rstrip("/"))
        names = {path.rpartition("/")[2], f"{self._url.netloc}/{path}".rstrip("/")}
        return self._sorts and title.strip("/") in names  # Caddy, miniserve

    # -- links -------------------------------------------------------------------------------------

    def _take_link(self, href: str, text: str, in_cell: bool) -> None:
        plain = urls.PLAIN_CHILD.fullmatch(href)
        if plain and self._is_directory_url and not self._markup.base:  # nearly all are
            name = os.fsdecode(unquote_to_bytes(plain[1]))
            if name in (".", ".."):
                self._rest.link()
            else:
                self._add(name, bool(plain[2]) or text.rstrip().endswith("/"))
            return
        target = urls.resolve(self._markup.base or self._url.geturl(), href)
        text = " ".join(text.split())
        if target is None or href.startswith("#"):  # mailto and the like; or a program opens it
            if not href.lower().startswith("mailto:"):
                self._rest.other_link(text)
            return
        link = _Link(target, text)
        if self._take_child(link):
            return
        if self._leads_up(link) or (UP.fullmatch(text) and (text or link.path == self._here)):
            self._rest.link()
        elif text:
            self._take_other(link, in_cell)
        elif link.hostname == self._url.hostname:
            self._rest.other_link(secrets.shown_url(link.url))

    def _take_child(self, link: "_Link") -> bool:
        """Whether it leads below the page's own address: the one it was asked under, or that in its title."""
        if link.query not in ("", self._url.query):
            return False
        is_ours = link.netloc == self._url.netloc or link.hostname == self._url.hostname
        for here, is_sure in ((self._here, is_ours), (self._titled(), False)):
            below = link.path[len(here) :]
            if here != link.path[: len(here)] or not below:
                continue
            if len(below) == 1 and (is_sure or link.is_called(below[0])):
                self._add(below[0], link.is_directory)
                return True
            if len(below) > 1 and is_sure and link.is_called(below[-1], "/".join(below)):
                self._add(below[0], is_dir=True)  # which is asked for on its own
                return True
        return False

    def _add(self, name: str, is_dir: bool) -> None:
        self._markup.rest = None  # the directory is not empty
        self._other_views.pop(name, None)
        self._found.add(name, is_dir)

    def _titled(self) -> tuple[str, ...]:
        """The page's path as its title says it: a proxy may have changed the one in its address."""
        match = PATH_IN_TITLE.search(self._markup.title.strip())
        return tuple(segment for segment in match[0].split("/") if segment) if match else self._here

    def _leads_up(self, link: "_Link") -> bool:
        is_ours = link.hostname == self._url.hostname and link.query in ("", self._url.query)
        return is_ours and any(here[: len(link.path)] == link.path for here in (self._here, self._titled()))

    def _take_other(self, link: "_Link", in_cell: bool) -> None:
        """A link to elsewhere: an entry of the directory all the same, if it looks like one."""
        pairs = parse_qsl(link.query, keep_blank_values=True)
        keys = {key.lower() for key, _ in pairs}
        named = {value.rstrip("/").rpartition("/")[2] for _, value in pairs}
        if link.path == self._here:
            if keys & SORTING:
                self._sorts = True
                self._rest.link()
                return
            if keys & PAGING:
                self._found.leave_out("the further pages that it links")
                return
            if keys & SHORT_SORTING and link.label not in named:
                self._sorts = True
                self._rest.link()
                return
        is_file_name = FILE_NAME.fullmatch(link.label) and link.label.lower() not in link.netloc
        is_called_so = link.hostname == self._url.hostname and link.is_called(*link.path[-1:], *named)
        if not (in_cell or is_file_name or is_called_so):
            self._rest.other_link(link.label)
            return
        what = f"{link.label} (leads to {secrets.shown_url(link.url)})"
        is_view = link.path[:-1] == self._here  # nothing is lost if it is linked plainly as well
        if is_view and self._found.has_lately(link.path[-1]):
            return
        if is_view and len(self._other_views) < MOST_VIEWS:
            self._other_views[link.path[-1]] = what
        else:
            self._found.leave_out(what)


class _Link:
    """Where it leads, and ``label``: what it is called."""

    def __init__(self, target: str, text: str) -> None:
        parts = urlsplit(target)
        self.url = target
        self.label = text.rstrip("/")
        self.netloc = parts.netloc.lower()
        self.hostname = parts.hostname
        self.query = parts.query
        self.path = urls.segments(target)
        self.is_directory = urls.is_directory(target) or text.endswith("/")

    def is_called(self, *names: str) -> bool:
        """Whether it is called by one of ``names``, which may have been shortened."""
        if self.label in names:
            return bool(self.label)
        short = self.label.removesuffix(">").rstrip(".")
        is_short = self.label.endswith(("..>", "...")) and bool(short)
        return is_short and any(name.startswith(short) for name in names)


class _Markup(HTMLParser):
    """Title and links of a page; each link is given to ``take``: href, text, whether in a table or <pre>.
    What else it shows is given to ``rest``, as long as there is one."""

    def __init__(self, url: str, take: Callable[[str, str, bool], None], rest: Emptiness) -> None:
        super().__init__()
        self.rest: Emptiness | None = rest
        self.title = ""
        self.base = ""
        self.has_ended = False
        self._url = url
        self._take = take
        self._is_bare = True
        self._has_pre = False
        self._in_title = self._in_cell = False
        self._href = ""
        self._is_opened = False  # by a program
        self._text: list[str] | None = None

    @property
    def is_bare(self) -> bool:
        return self._is_bare and self._has_pre

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._in_title = tag == "title" and not self.title
        if self.rest:
            self.rest.start(tag, attrs)
        if tag not in BARE:
            self._is_bare = False
        if tag == "a":
            self.end_link()
            self._href = next((value for name, value in attrs if name == "href" and value), "")
            self._is_opened = any(name == "onclick" for name, _ in attrs)
            self._text = []
        elif tag in ("td", "pre"):
            self._in_cell = True
            self._has_pre |= tag == "pre"
        elif tag == "th":
            self._in_cell = False
        elif tag == "base" and not self.base:
            href = next((value for name, value in attrs if name == "href" and value), "")
            base = urls.resolve(self._url, href)
            self.base = base if base and base != self._url else ""

    def handle_endtag(self, tag: str) -> None:
        self._in_title = False
        if tag == "a":
            self.end_link()
        if self.rest:
            self.rest.end(tag)
        if tag in ("pre", "table"):
            self._in_cell = False
            self.has_ended |= self.is_bare
        elif tag in ("html", "body"):
            self.has_ended = True

    def handle_data(self, data: str) -> None:
        if self._text is not None:
            if len(self._text) < LONGEST_TEXT:
                self._text.append(data[:LONGEST_TEXT])
        elif self._in_title:
            self.title = (self.title + data)[:LONGEST_TEXT]
            if self.rest:
                self.rest.title = self.title
        else:
            if self.rest:
                self.rest.text(data)
            if self._is_bare and data.strip():
                self._is_bare = False

    def handle_comment(self, data: str) -> None:
        if self.rest:
            self.rest.comment(data)

    unknown_decl = handle_comment

    def end_link(self) -> None:
        """It may have been left open."""
        if self._text is not None and (self._href or self._is_opened):
            self._take(self._href or "#", "".join(self._text), self._in_cell)
        elif self._text is not None and self.rest:
            self.rest.other_link("".join(self._text))
        self._href, self._text = "", None


def is_directory_page(head: bytes) -> bool:
    """Whether a page that begins so shows a directory."""
    return bool(LIKELY.search(head))
