"""HTTP responses that end too early or are invalid."""

import base64
import hashlib
from collections.abc import Callable, Collection
from typing import NamedTuple

from connectors.errors import Exit
from torture import leaks, web
from torture.case import Case, kind
from torture.trial import LATER, MOVING_VERBS, SENSIBLE, Trial
from torture.web import Answer, Request
from torture.web_scene import SECRET, WebScene, lie_for, lied_to, scene

CUT = "Answers that end too early"
NONSENSE = "Answers that make no sense"
STATUSES = "Statuses"
PLACES = (
    "status line",
    "header",
    "end of the header",
    "body",
    "chunk's length",
    "chunk",
    "end of a chunk",
    "last chunk",
    "trailers",
    "end of the trailers",
)
HOW = {"end": "it ends", "reset": "it is reset", "stall": "it stalls"}
BROKEN = frozenset({Exit.PROTOCOL})
WRONG = frozenset({Exit.DATAERR})
EITHER = BROKEN | LATER


def trial_of(case: Case, one: WebScene) -> Trial:
    verbs = [verb for verb in MOVING_VERBS if verb in one.verbs]
    return Trial(case, one, case.pick(verbs), checking=case.chance(0.15))


def _ending(place: str, how: str) -> None:
    @kind(CUT, f"in the {place}, {HOW[how]}", weight=1.5)
    def try_it(case: Case) -> None:
        with scene(case) as one:
            if "chunk" in place or "trailer" in place:
                one.server.framing = "chunks"
            trial = trial_of(case, one)
            lie = lie_for(case, trial)
            lie.ending = web.Ending(place, case.random.random(), how)
            if "trailer" in place:
                lie.twist = _with_trailers
            lied_to(case, one, trial, lie, LATER, slow=how == "stall")


def _with_trailers(request: Request, answer: Answer) -> None:
    answer.trailers = {"X-One": "1", "Repr-Digest": _digest(answer.body)}


def _digest(content: bytes, name: str = "sha-256") -> str:
    return f"{name}=:{base64.b64encode(hashlib.sha256(content).digest()).decode()}:"


for _place in PLACES:
    for _how in HOW:
        _ending(_place, _how)


class Nonsense(NamedTuple):
    """``twist`` changes a response; ``codes`` are the allowed exit codes."""

    twist: Callable[[Case, Request, Answer], object]
    codes: Collection[int] = BROKEN
    slow: bool = False
    stored: Callable[[bytes], bytes] = bytes
    """Other contents that may be stored."""


def _set(**changes: object) -> Callable[[Case, Request, Answer], object]:
    def twist(case: Case, request: Request, answer: Answer) -> None:
        for name, value in changes.items():
            setattr(answer, name, value)

    return twist


def _field(name: str, *values: str) -> Callable[[Case, Request, Answer], object]:
    def twist(case: Case, request: Request, answer: Answer) -> None:
        answer.fields[name] = case.pick(values)

    return twist


def _raw(*texts: bytes) -> Callable[[Case, Request, Answer], object]:
    return lambda case, request, answer: setattr(answer, "raw", case.pick(texts))


def _longer(case: Case, request: Request, answer: Answer) -> None:
    if answer.has_body and request.method != "HEAD":
        answer.fields["Content-Length"] = str(len(answer.body) + case.pick((1, 100, 1 << 40)))
        answer.framing = "close"


def _chunks(*bad: bytes) -> Callable[[Case, Request, Answer], object]:
    def twist(case: Case, request: Request, answer: Answer) -> None:
        head = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
        if request.method in ("GET", "PROPFIND"):
            answer.raw = head + b"%x\r\n%s" % (len(answer.body) or 1, answer.body or b"x") + case.pick(bad)

    return twist


def _endless(case: Case, request: Request, answer: Answer) -> None:
    answer.raw = b"HTTP/1.1 200 OK\r\n" + b"X-More: " + b"x" * 8000 + (b"\r\nX-More: " + b"x" * 8000) * 1000


def _many_1xx(case: Case, request: Request, answer: Answer) -> None:
    answer.before = b"HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n" * case.pick((1, 5))


def _coded(case: Case, request: Request, answer: Answer) -> None:
    if request.method == "GET" and answer.status == 200 and answer.body:
        answer.fields["Content-Encoding"] = case.pick(("gzip", "br", "x-unknown"))
        answer.body = _code(answer.body)


def _code(content: bytes) -> bytes:
    return b"\x1f\x8b" + content[::-1]


def _wrong_digest(name: str, form: str) -> Callable[[Case, Request, Answer], object]:
    def twist(case: Case, request: Request, answer: Answer) -> None:
        if answer.status == 200 and request.method in ("GET", "HEAD"):
            answer.fields[name] = form.format(base64.b64encode(bytes(32 if "256" in form else 16)).decode())

    return twist


def _flipped(case: Case, request: Request, answer: Answer) -> None:
    if (
        answer.status == 200
        and answer.body
        and request.method == "GET"
        and "Content-Type" not in answer.fields
    ):
        at = case.random.randrange(len(answer.body))
        digest = _digest(answer.body)
        if case.chance(0.5):
            answer.fields["Repr-Digest"] = digest
        else:
            answer.framing, answer.trailers = "chunks", {"Repr-Digest": digest}
        answer.body = answer.body[:at] + bytes([answer.body[at] ^ 1]) + answer.body[at + 1 :]


TWISTS: dict[str, Nonsense] = {
    "a status of four digits": Nonsense(_set(status=2000)),
    "a status of two digits": Nonsense(_raw(b"HTTP/1.1 20 OK\r\n\r\n", b"HTTP/1.1 2 OK\r\n\r\n")),
    "a status that is no number": Nonsense(_raw(b"HTTP/1.1 two OK\r\n\r\n", b"HTTP/1.1  OK\r\n\r\n")),
    "a version that there is not": Nonsense(_set(version="HTTP/7.3")),
    "no HTTP": Nonsense(
        _raw(
            b"SSH-2.0-OpenSSH_9.2\r\n",
            b"220 ftp here\r\n",
            b"\x15\x03\x01\x00\x02\x02\x46",
            b"<html>hello</html>",
        ),
        EITHER,
    ),
    "a length that is no number": Nonsense(_field("Content-Length", "abc", "-5", "0x10", "1e3", "5;6", "")),
    "a length that no file has": Nonsense(
        _field("Content-Length", "9" * 30, "18446744073709551617"), BROKEN | LATER | WRONG, slow=True
    ),
    "a length that is too large": Nonsense(_longer, LATER | {Exit.DATAERR}),
    "two lengths": Nonsense(_field("Content-Length", "5, 6", "7\r\nContent-Length: 8")),
    "Transfer-Encoding: identity": Nonsense(_field("Transfer-Encoding", "identity")),
    "a transfer coding that nobody knows": Nonsense(
        _field("Transfer-Encoding", "xchunked", "gzip, br", "chunked, identity")
    ),
    "chunks that are none": Nonsense(
        _chunks(b"XX\r\n", b"\r\nzz\r\nabc\r\n0\r\n\r\n", b"\r\n-1\r\n\r\n", b"\r\nffffffffffffffffff\r\n")
    ),
    "a header without end": Nonsense(_endless),
    "a header line without a colon": Nonsense(
        _field("X-Odd", "1\r\nnonsense", "1\r\n: empty", "1\r\n\0\0: x"), EITHER
    ),
    "answers before the answer": Nonsense(_many_1xx, frozenset()),
    "a part that nobody asked for": Nonsense(_set(status=206)),
    "a content coding that nobody asked for": Nonsense(_coded, BROKEN | WRONG, stored=_code),  # as sent
    "a wrong Content-MD5": Nonsense(_wrong_digest("Content-MD5", "{}"), WRONG),
    "a wrong Repr-Digest": Nonsense(_wrong_digest("Repr-Digest", "sha-256=:{}:"), WRONG),
    "a wrong Content-Digest": Nonsense(_wrong_digest("Content-Digest", "sha-256=:{}:"), WRONG),
    "a wrong Digest": Nonsense(_wrong_digest("Digest", "SHA-256={}"), WRONG),
    "a digest that is none": Nonsense(
        _field("Repr-Digest", "sha-256=:zzz:", ":::", "sha-256=", "x" * 5000), WRONG
    ),
    "a wrong byte under a right digest": Nonsense(_flipped, WRONG),
    "a redirect to nowhere": Nonsense(_set(status=302)),
    "a redirect in circles": Nonsense(
        lambda case, request, answer: (
            setattr(answer, "status", case.pick((301, 302, 303, 307, 308))),
            answer.fields.update(Location=request.path),
        )
    ),
    "a redirect to another scheme": Nonsense(
        lambda case, request, answer: (
            setattr(answer, "status", case.pick((301, 302, 307, 308))),
            answer.fields.update(
                Location=case.pick(("ftp://127.0.0.1/x", "file:///etc/passwd", "gopher://x/", "javascript:x"))
            ),
        )
    ),
    "a redirect to what is no address": Nonsense(
        lambda case, request, answer: (
            setattr(answer, "status", case.pick((302, 307))),
            answer.fields.update(
                Location=case.pick(
                    ("http://", "http://[::1", "//", "http://a b/", "http://127.0.0.1:99999/", "\x01")
                )
            ),
        ),
        SENSIBLE | {Exit.NOHOST, Exit.CONFIG},
    ),
    "an empty answer": Nonsense(_raw(b""), LATER),
    "random bytes": Nonsense(
        lambda case, request, answer: setattr(answer, "raw", case.random.randbytes(case.pick((1, 10, 1000)))),
        EITHER,
    ),
}


def _register(name: str, nonsense: Nonsense) -> None:
    @kind(NONSENSE, name, weight=1.5)
    def try_it(case: Case) -> None:
        with scene(case) as one:
            trial = trial_of(case, one)
            lie = lie_for(case, trial)
            if not trial.verb.sends:
                trial.fickle = {path: {data, nonsense.stored(data)} for path, data in trial.content.items()}
            lie.twist = lambda request, answer: nonsense.twist(case, request, answer)
            lied_to(case, one, trial, lie, frozenset(nonsense.codes), slow=nonsense.slow)


for _name, _nonsense in TWISTS.items():
    _register(_name, _nonsense)


def codes_of(status: int, sends: bool) -> frozenset[int]:
    """As docs/exit-codes.md has it."""
    if status in (401, 402, 403, 405, 407, 451):
        return frozenset({Exit.NOPERM})
    if status in (404, 410):
        return frozenset({Exit.CANTCREAT, Exit.PROTOCOL} if sends else {Exit.NOINPUT})
    if status in (409, 412, 413):
        return frozenset({Exit.CANTCREAT})
    if status in (501, 505):
        return BROKEN
    if status in (408, 423, 425, 429) or status >= 500:
        return LATER
    return BROKEN


ALL_STATUSES = (
    202,
    203,
    204,
    205,
    206,
    207,
    226,
    299,
    300,
    304,
    305,
    306,
    399,
    400,
    401,
    402,
    403,
    404,
    405,
    406,
    407,
    408,
    409,
    410,
    411,
    412,
    413,
    414,
    415,
    416,
    417,
    418,
    421,
    422,
    423,
    424,
    425,
    426,
    428,
    429,
    431,
    451,
    499,
    500,
    501,
    502,
    503,
    504,
    505,
    507,
    508,
    511,
    520,
    599,
)


@kind(STATUSES, "any status, instead of the right one", weight=20)
def _any_status(case: Case) -> None:
    status = case.pick(ALL_STATUSES)
    case.note(f"status {status}")
    with scene(case) as one:
        trial = trial_of(case, one)
        lie = lie_for(case, trial)
        lie.acts = status == 202  # it will be done: it cannot be checked

        def twist(request: Request, answer: Answer) -> None:
            answer.status = status
            if status == 203:  # correct, from a proxy in between
                return
            answer.body = b"<html>as told</html>"
            answer.fields = {"Retry-After": "0"} if case.chance(0.2) else {}
            answer.framing = "length"

        lie.twist = twist
        lied_to(case, one, trial, lie, codes_of(status, trial.verb.sends) | _also(trial, status))


def _also(trial: Trial, status: int) -> frozenset[int]:
    """Other possible meanings: a directory that is not shown, a refusal that was partly worked around."""
    more: set[int] = set()
    if trial.verb.of_directory:
        more |= {Exit.CONFIG, Exit.NOINPUT, Exit.NOPERM} if not trial.verb.sends else set()
    if trial.verb.sends and status < 300:
        more |= {Exit.DATAERR, Exit.PROTOCOL}
    if status in (200, 203, 207) and not trial.verb.sends:
        more |= {Exit.DATAERR}
    return frozenset(more)


@kind("Secrets", "a server that says the password back, in any encoding", weight=15)
def _echo(case: Case) -> None:
    with scene(case, ways=tuple(SECRET)) as one:
        trial = trial_of(case, one)
        name, form = case.pick(sorted(leaks.forms(one.secret).items()))
        status = case.pick((302, 307, 400, 403, 404, 409, 500, 503))
        case.note(f"{name}, status {status}")
        lie = lie_for(case, trial)
        lie.times = 1 << 30

        def twist(request: Request, answer: Answer) -> None:
            answer.status, answer.reason = status, f"because of {form}"
            answer.body = f"<html><title>{form}</title>{form}</html>".encode()
            answer.fields = {"Location": f"ftp://x/{form}", "WWW-Authenticate": f'Basic realm="{form}"'}

        lie.twist = twist
        lied_to(case, one, trial, lie, SENSIBLE | {Exit.CONFIG})
