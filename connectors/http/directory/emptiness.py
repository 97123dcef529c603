"""Whether a directory page without entries shows an empty directory, or entries that are not links.

A page counts as empty only if all it shows is what the pages of web servers show for an empty directory: its
heading, column titles, the link to the parent, a footer. The words are from the templates of nginx, Apache,
lighttpd, Caddy, rclone, Tomcat, Jetty, thttpd, darkhttpd, miniserve, Hiawatha and serve.
"""

import re
from urllib.parse import unquote, urlsplit

LONGEST_ROW = 1 << 12  # characters; no empty directory has a longer one
LONGEST_SCRIPT = 1 << 16  # characters
FILE = re.compile(r"[^\s/\"'`]*[^\s/\"'`.]\.[A-Za-z]\w{0,7}")
NAMES_FILE = re.compile(r"[^\s/\"'`.]\.[A-Za-z]\w{0,7}(?!\w)")  # no * before it: linear on any text
WORD = re.compile(r"\w")
COLUMN = re.compile(
    r"(?<![\w.-])((file)? ?name|(last[ -])?(modified|changed)|(file)? ?size|bytes|description|type|mode|links"
    r"|date)(?![\w.-])",
    re.IGNORECASE,
)
EMPTY = re.compile(
    r"(?<![\w.-])((this |the )?(directory|folder) is empty|empty( directory| folder)?"
    r"|no (files|entries|items)( found| here| in this (directory|folder))?"
    r"|(total:? )?0 (bytes|b|files?|director(y|ies)|folders?|items?|entries)( total)?)(?![\w.-])",
    re.IGNORECASE,
)
HEADING = re.compile(
    r"index of|directory listing (for|of)|listing directory|files within|directory:|folder path|up to",
    re.IGNORECASE,
)
SERVER = re.compile(
    r"(apache( tomcat)?|nginx|lighttpd|jetty|caddy|miniserve|darkhttpd|thttpd|hiawatha|eclipse jetty|python)"
    r"( ?/[\w.+-]+)?( \(\w+\))?( [\w.-]+/[\w.+-]+)*( server at \S+ port \d+)?"
    r"|((generated|served|powered) (by|with)( [\w.+-]+(/[\w.+-]+)?)?( on [\w,:+ -]+)?)",
    re.IGNORECASE,
)
SENTENCE = re.compile(r"[A-Z]\S*( \S+){3,}[.!?]")
# beside the link to the parent: its size, date and permissions
DETAIL = re.compile(
    r"(?<!\w)(\d[\d.,:/-]*( ?[kmgt]?i?b)?|[dl-]([r-][w-][xsSt-]){1,3}|[ap]m|utc|gmt|dir|directory|folder"
    r"|mon|tue|wed|thu|fri|sat|sun|jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec)(?!\w)",
    re.IGNORECASE,
)
CONTROL = re.compile(
    r"\W*(top|home|root|list|grid|search|filter|what's this\?|download \.?(tar|tar\.gz|tgz|zip)"
    r"|default \(light/dark\)|(squirrel|archlinux|zenburn|monokai)( \((light|dark)\))?)?\W*",
    re.IGNORECASE,
)
SELECTOR = re.compile(r"\b(querySelector(All)?|getElement\w+|\$)\([^()]*\)")
# a script that names files, or makes or fetches something
INSERTS = re.compile(
    rf"([\"'`])(\./)?{FILE.pattern}\1|\baddRow\b|\bfetch\b|XMLHttpRequest|ajax|getJSON|createElement|insertAdjacent"
    r"|[\"'`]\s*<|\b(innerHTML|textContent|location(\.\w+)?)\s*\+?=\s*[\"'`]\w|location\.(replace|assign)"
    r"|document\.write|\bimport\b|WebSocket|EventSource|\beval\b|\batob\b|JSON\.parse|\bappend"
    r"|[\"']?\b(name|href|url|path|files?|entries|items|children)[\"']?\s*[:=]\s*[\[{\"'`]"
    r"|(?<![\w)\]])\[[^\[\]]*[\"'`][^\"'`\[\]]{3,}[\"'`]",
    re.IGNORECASE,
)
ICON = re.compile(r"\W*(\[\w*\]|icon|back|up|dir|directory|folder|parent( directory)?)?\W*", re.IGNORECASE)
FROM_CDN = re.compile(r"/cdn-cgi/|https://static\.cloudflareinsights\.com/")  # put in by a proxy
ENTRY_IN_COMMENT = re.compile(r"<(a|li|tr|area)\b", re.IGNORECASE)
LISTS = {"pre", "table", "tr", "td", "ul", "ol", "li", "dl", "dt", "dd"}
ENTRY_CELLS = LISTS | {"button", "option", "select"}
INLINE = {
    "a", "b", "bdi", "code", "em", "font", "i", "img", "nobr", "small", "span", "strong", "td", "th", "time",
    "tt", "u",
}  # fmt: skip
EMBEDDED = {"iframe", "frame", "object", "embed", "area"}
HEADINGS = {"h1", "h2", "h3", "h4", "h5", "h6", "header"}
UNSHOWN = {"link", "meta", "html", "body", "script", "a"}  # elements; a link is judged by its text
LINK_ATTRIBUTES = {"data-href", "data-url", "data-link", "data-path", "data-name", "data-file"}
CONTROL_ATTRIBUTES = {"class", "id", "style"}

Attributes = list[tuple[str, str | None]]


class Emptiness:
    """Reads a page row by row; ``strange`` is the first thing in it that an empty directory does not show."""

    def __init__(self, url: str) -> None:
        self.strange = ""
        self.title = ""
        parts = urlsplit(url)
        path = unquote(parts.path)
        self._own = {parts.netloc, parts.hostname or "", path.strip("/"), *path.split("/")}
        self._row = ""
        self._has_link = False
        self._has_title_cells = False  # of a table: the row
        self._are_titles_known = False
        self._zone = ""
        self._in_pre = False
        self._hidden = 0  # how many <svg> are open
        self._in_style = False
        self._script: str | None = None

    # -- what the parser sees -----------------------------------------------------------------------

    def start(self, tag: str, attributes: Attributes) -> None:
        if self.strange:
            return
        if self._hidden or tag == "svg":
            self._hidden += tag == "svg"
            if tag in ("text", "foreignobject"):
                self.strange = "a drawing with text"
            return
        self._break(tag)
        if tag in HEADINGS:
            self._zone = "heading"
        elif tag in ("footer", "address"):
            self._zone = "footer"
        elif tag in ENTRY_CELLS:
            self._zone = "entry"
        elif tag == "th":
            self._has_title_cells = True
        self._has_title_cells &= tag != "td"
        self._in_pre |= tag == "pre"
        self._in_style = tag == "style"
        if tag in EMBEDDED or "-" in tag:
            self.strange = f"<{tag}>"
        self._take_attributes(tag, attributes)

    def end(self, tag: str) -> None:
        if self.strange:
            return
        if self._hidden:
            self._hidden -= tag == "svg"
            return
        if tag == "script":
            self._judge_script()
        self._break(tag)
        self._in_style = False
        if tag == "pre":
            self._in_pre = False
        if tag in HEADINGS or tag in ("footer", "address") or tag in ENTRY_CELLS - {"td"}:
            self._zone = ""

    def text(self, data: str) -> None:
        """Text that belongs to no entry, in pieces of any length."""
        if self.strange or self._in_style or self._hidden:
            return
        if self._script is not None:
            self._script += data
            if len(self._script) > LONGEST_SCRIPT:
                self.strange = "a long script"
            return
        first, *more = data.split("\n") if self._in_pre else (data,)
        self._add(first)
        for line in more:
            self._end_row()
            self._add(line)

    def link(self) -> None:
        """A link that is known to be no entry: to the parent, or to another order."""
        self._has_link = True

    def other_link(self, text: str) -> None:
        """A link that leads nowhere, or elsewhere."""
        if not CONTROL.fullmatch(text):
            self.text(text)

    def comment(self, text: str) -> None:
        if ENTRY_IN_COMMENT.search(text):
            self.strange = self.strange or "entries in a comment"

    def close(self) -> None:
        self._judge_script()
        self._end_row()
        if self._hidden:
            self.strange = self.strange or "a drawing without an end"

    # -- what it means ------------------------------------------------------------------------------

    def _take_attributes(self, tag: str, attributes: Attributes) -> None:
        values = {name: value or "" for name, value in attributes}
        if tag == "script":
            self._start_script(values)
        elif tag == "meta" and values.get("http-equiv", "").lower() == "refresh":
            self.strange = "a redirect to another page"
        elif tag == "input" and values.get("type", "").lower() != "hidden":
            self.other_link(values.get("value", ""))
        elif tag == "img" and not ICON.fullmatch(values.get("alt", "")):
            self.strange = f"an image of {values['alt'][:100]}"
        for name, value in values.items():
            is_handler = name.startswith("on") and INSERTS.search(value)
            is_named = tag not in UNSHOWN and name not in CONTROL_ATTRIBUTES
            if is_handler or (
                is_named and (name in LINK_ATTRIBUTES or FILE.fullmatch(value.removeprefix("./")))
            ):
                self.strange = self.strange or f"<{tag} {name}={value[:100]}>"

    def _start_script(self, values: dict[str, str]) -> None:
        kind = values.get("type", "").lower()
        if kind not in ("", "module", "text/javascript", "application/javascript"):
            self.strange = f"data in <script type={kind[:100]}>"
        elif "src" in values and not FROM_CDN.match(values["src"]):
            self.strange = "a script, which may show entries"
        self._script = ""

    def _judge_script(self) -> None:
        script, self._script = self._script, None
        if script and INSERTS.search(SELECTOR.sub("", script)):
            self.strange = self.strange or "a script, which may show entries"

    def _break(self, tag: str) -> None:
        if tag in INLINE:
            self._add(" ")
        else:
            self._end_row()

    def _add(self, text: str) -> None:
        self._row += text if len(text) <= LONGEST_ROW else f"{text[:LONGEST_ROW]}…"
        if len(self._row) > LONGEST_ROW:
            self._row = " ".join(self._row.split())
            if len(self._row) > LONGEST_ROW:
                self._end_row()

    def _end_row(self) -> None:
        row, has_link, are_titles = " ".join(self._row.split()), self._has_link, self._has_title_cells
        self._row, self._has_link, self._has_title_cells = "", False, False
        if not self.strange and WORD.search(row) and not self._is_known(row, has_link, are_titles):
            self.strange = f"{row[:100]} (has no address)"

    def _is_known(self, row: str, has_link: bool, are_titles: bool) -> bool:
        names_file = NAMES_FILE.search(row)
        if are_titles and not self._are_titles_known:  # in any language, but once
            self._are_titles_known = True
            return not names_file
        if self._zone == "heading":
            row = HEADING.sub("", self._names().sub("", row))
        rest = EMPTY.sub("", row)
        rest = SERVER.sub("", rest) if self._zone != "entry" else rest
        if len(COLUMN.findall(rest)) > 1:
            rest = COLUMN.sub("", rest)
        if has_link:
            rest = DETAIL.sub("", rest)
        if not WORD.search(rest):
            return True
        if self._zone == "footer":
            return not NAMES_FILE.search(SERVER.sub("", row))
        return not self._zone and not names_file and bool(SENTENCE.fullmatch(row))

    def _names(self) -> re.Pattern[str]:
        """The names of the page and its directory, as they stand in a heading."""
        names = {" ".join(name.split()) for name in (self.title, *self._own)} - {""}
        either = "|".join(re.escape(name) for name in sorted(names, key=len, reverse=True))
        return re.compile(rf"(?<!\w)({either})(?!\w)" if either else "(?!)")
