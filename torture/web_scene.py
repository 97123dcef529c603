"""The HTTP connectors with the lying server."""

import base64
from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import quote

from connectors.errors import Exit
from connectors.model import Verb
from tests.conformance.promises import MIB, Access
from tests.conformance.promises import Case as Scene
from tests.servers import PASSWORD, USERNAME
from tests.servers.http_case import JsonCase
from torture import web
from torture.case import Case
from torture.leaks import HEADER, TOKEN
from torture.trial import Codes, Trial

BASIC = "Basic " + base64.b64encode(f"{USERNAME}:{PASSWORD}".encode()).decode()
JSON = object.__new__(JsonCase)  # without a server
SECRET = {"Basic": PASSWORD, "Bearer": TOKEN, "header": HEADER}
"""The secrets of each authentication method."""
SIZES = (0, 1, 4096, 5 * MIB)


class WebScene(Scene):
    """One of the three connectors; ``secret`` has its secrets."""

    def __init__(self, server: web.Server, executable: str, folder: str) -> None:
        self.server, self.executable, self.folder = server, executable, folder
        self.port = server.port
        self.stores = "mock" not in executable
        self.sizes = SIZES[1:] if "json" in executable else SIZES
        self.auth: Access = {}
        self.secret = ""
        self.host = "127.0.0.1"
        server.make_dir(folder)

    def access(self, verb: Verb, path: str, port: int = 0, host: str = "") -> Access:
        url = f"http://{host or self.host}:{port or self.port}/{quote(f'{self.folder}/{path}')}"
        method = {"method": "PUT"} if verb is Verb.SEND_FILE else {}
        return {"url": url, **method, **self.auth}

    def place(self, path: str, content: bytes) -> None:
        whole = f"{self.folder}/{path}"
        self.server.make_dir(whole.rpartition("/")[0])
        self.server.files[whole] = content

    def make_dir(self, path: str) -> None:
        self.server.make_dir(f"{self.folder}/{path}".rstrip("/"))

    def tree(self, path: str) -> dict[str, bytes]:
        below = f"{self.folder}/"
        files = dict(self.server.files)
        return {name.removeprefix(below): data for name, data in files.items() if name.startswith(below)}

    def refusals(self, path: str) -> int:
        return 0

    def payload(self, size: int, seed: int = 0) -> bytes:
        if "json" in self.executable:
            return JSON.payload(size, seed)
        return super().payload(size, seed)


CONNECTORS = (
    "red-connector-http",
    "red-connector-http",
    "red-connector-http-json",
    "red-connector-http-mock-send",
)


@contextmanager
def scene(
    case: Case, connectors: tuple[str, ...] = CONNECTORS, ways: tuple[str, ...] = ("nothing", *SECRET)
) -> Iterator[WebScene]:
    """A server of any kind, and a connector with one of the authentication ``ways``."""
    with web.start() as server:
        one = WebScene(server, case.pick(connectors), case.name)
        server.dav, server.index = case.pick(((True, True), (True, False), (False, True)))
        server.framing = case.pick(("length", "length", "chunks"))
        server.validators = case.pick((("ETag", "Last-Modified"), ("ETag",), ("Last-Modified",), ()))
        way = case.pick(ways)
        if way == "Basic":
            one.auth = {"auth": {"username": USERNAME, "password": PASSWORD}}
            server.allowed = {BASIC}
        elif way == "Bearer":
            one.auth = {"auth": {"method": "BEARER", "token": TOKEN}}
            server.allowed = {f"Bearer {TOKEN}"}
        elif way == "header":
            one.auth = {"headers": {"X-Key": HEADER}}
        one.secret = SECRET.get(way, "")
        case.note(f"DAV {server.dav}, pages {server.index}, {server.framing}, {server.validators}, {way}")
        yield one


def environment(case: Case, *, slow: bool = False) -> dict[str, str]:
    return {
        "RED_RETRIES": str(case.pick((0, 0, 0, 1, 2))),
        "RED_PARALLEL": str(case.pick((1, 2, 8))),
        "RED_TIMEOUT": "0.6" if slow else "10",
    }


def lied_to(
    case: Case, one: WebScene, trial: Trial, lie: web.Lie, codes: Codes, *, slow: bool = False
) -> None:
    """A call while the server lies, and another when it does not."""
    case.note(
        f"to {sorted(lie.methods) or 'all'} after {lie.after}, {'for ever' if lie.times > 99 else lie.times}"
        f", {'done' if lie.acts else 'not done'}"
    )
    if trial.verb.sends and not lie.acts:  # otherwise the check afterwards would get the lie too
        lie.about = lambda request: request.method in web.WRITING
    trial.may_leave = lambda: "DELETE" in lie.told_to
    one.server.lies = [lie]
    outcome = trial.run(env=environment(case, slow=slow))
    case.note(f"told {lie.told} times")
    one.server.lies = []
    trial.may_leave = lambda: False
    allowed = set(codes)
    if slow:
        allowed.add(Exit.TEMPFAIL)
    if trial.verb.sends and not lie.acts:  # which the check afterwards may notice
        allowed |= {Exit.DATAERR, Exit.PROTOCOL, Exit.CANTCREAT}
    trial.fault(outcome, allowed, struck=lie.told)
    if outcome.code:
        trial.clean()


def lie_for(case: Case, trial: Trial) -> web.Lie:
    """Which requests get the lie, and how often."""
    reads = ["GET", "HEAD", "PROPFIND"]
    methods = reads if not trial.verb.sends else ["PUT", "HEAD", "OPTIONS", "MOVE", "MKCOL", "DELETE"]
    chosen = frozenset() if case.chance(0.4) else frozenset([case.pick(methods)])
    return web.Lie(
        chosen,
        after=case.pick((0, 0, 0, 1, 2, 4)),
        times=case.pick((1, 1, 2, 1 << 30)),
        acts=case.chance(0.5),
    )
