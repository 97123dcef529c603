"""A transfer under a fault, and another without it, which must succeed."""

import json
import time
from collections.abc import Callable, Collection, Mapping
from pathlib import Path
from typing import Any

from connectors.errors import Exit
from connectors.model import Verb
from tests.conformance.promises import Case as Scene
from tests.support.trees import listing as listing_of
from torture import judge
from torture.case import Case, Violation
from torture.judge import Tree, require
from torture.program import NO_LIMITS, During, Limits, Outcome

Codes = Collection[int]
LATER = frozenset({Exit.TEMPFAIL})
SENSIBLE = frozenset({Exit.DATAERR, Exit.NOINPUT, Exit.CANTCREAT, Exit.TEMPFAIL, Exit.PROTOCOL, Exit.NOPERM})
"""If a server may send anything, each of them can be right."""

FILE, FOLDER = "file.bin", "d"
NAMES = ("a", "b.txt", "sub/c", "sub/deep er/d#.txt", "ünïcödé.txt", "sub/100%.dat", "e", "f/g", "f/h")
MOVING_VERBS = [verb for verb in Verb if verb is not Verb.MOUNT_DIR]


def tree(case: Case, scene: Scene, most: int) -> Tree:
    """Some of the directory's files, with content."""
    names = case.random.sample(NAMES, case.random.randint(1, len(NAMES)))
    if case.chance(0.1):
        names += [f"many/{number}" for number in range(case.random.randint(10, 40))]
        most = min(most, 3000)
    return {f"{FOLDER}/{name}": content(case, scene, most) for name in names}


def content(case: Case, scene: Scene, most: int = 200_000) -> bytes:
    size = case.size(most)
    return scene.payload(max(size, min(scene.sizes)), case.random.getrandbits(32))


class Trial:
    """One verb of one connector. ``wanted`` is the target's expected files, each with one of the contents.
    ``listing``: the directory has one, ``checksum``: with sizes and checksums.
    """

    def __init__(
        self,
        case: Case,
        scene: Scene,
        verb: Verb,
        *,
        checking: bool = False,
        most: int = 200_000,
        old: float = 0.3,
        listing: bool | None = None,
        checked: bool | None = None,
    ) -> None:
        self.case, self.scene, self.verb, self.checking = case, scene, verb, checking
        self.here = case.folder / "here"
        self.here.mkdir()
        self.here.chmod(0o777)
        self.lenient = self.gone = False
        self.log_is_json = case.chance(0.1)
        self.receipt = case.chance(0.3) and not checking
        self.really = case.chance(0.02)
        if verb.of_directory:
            self.content = tree(case, scene, most)
        else:
            self.content = {FILE: content(case, scene, most)}
        self.with_listing = verb.of_directory and (case.chance(0.4) if listing is None else listing)
        self.checked = case.chance(0.7) if checked is None else checked
        self.fickle: dict[str, set[bytes]] = {}
        """Files that change on the server, with all their contents."""
        self.may_leave: Callable[[], bool] = lambda: False
        """Whether the server has refused to remove a partial file."""
        self.optional: set[str] = set()
        """Files whose sending is optional."""
        self.old = {path: content(case, scene, 5000) for path in self.content if case.chance(old)}
        if verb.of_directory and case.chance(old) and not self.with_listing:
            self.old[f"{FOLDER}/other"] = b"of somebody else"
        self._place()
        note = f"{scene.executable} {verb}{'-validate' * checking}"
        sizes = ", ".join(f"{path!r} {len(one)}" for path, one in sorted(self.content.items())[:10])
        case.note(f"{note}{' --listing' * self.with_listing}: {sizes}; old: {sorted(self.old)}")

    # -- before ------------------------------------------------------------------------------------

    def _place(self) -> None:
        far, near = (self.old, self.content) if self.verb.sends else (self.content, self.old)
        if self.verb.of_directory and not self.verb.sends:
            self.scene.make_dir(FOLDER)
        for path, data in far.items():
            self.scene.place(path, data)
        for path, data in near.items():
            (self.here / path).parent.mkdir(parents=True, exist_ok=True)
            (self.here / path).write_bytes(data)
        for folder in [one for one in self.here.rglob("*") if one.is_dir()]:
            folder.chmod(0o777)

    @property
    def path(self) -> str:
        return FOLDER if self.verb.of_directory else FILE

    @property
    def local(self) -> Path:
        return self.here / self.path

    def access(self, port: int = 0) -> dict[str, Any]:
        return self.scene.access(self.verb, self.path, port)

    def arguments(self, document: object) -> list[str]:
        access = self.case.folder / "access.json"
        access.write_text(json.dumps(document))
        words = [self.scene.executable, f"{self.verb}{'-validate' * self.checking}", str(access)]
        if not self.checking:
            words.append(str(self.local))
        if self.with_listing:
            file = self.case.folder / "listing.json"
            inner = {path.removeprefix(f"{FOLDER}/"): data for path, data in self.content.items()}
            file.write_text(json.dumps(listing_of(inner, self.checked)))
            words.append(f"--listing={file}")
        return words

    # -- the call ----------------------------------------------------------------------------------

    def run(
        self,
        port: int = 0,
        *,
        env: Mapping[str, str] | None = None,
        during: During | None = None,
        limits: Limits = NO_LIMITS,
        document: object = None,
        deadline: float = 40,
        signalled: bool = False,
    ) -> Outcome:
        """Call it, and check what must always be true."""
        receipt = self.case.folder / "receipt"
        more = {"RED_RECEIPT": str(receipt)} if self.receipt else {}
        if self.log_is_json:
            more["RED_LOG"] = "json"
        settings = {"RED_TIMEOUT": "10", "RED_RETRIES": "0", **more, **(env or {})}
        before = judge.snapshot(self.here), self._far()
        outcome = self.case.place.program.run(
            self.arguments(document or self.access(port)),
            settings,
            during=during,
            limits=limits,
            really=self.really,
            deadline=deadline,
        )
        self.case.outcomes.append(outcome)
        if not (signalled and outcome.code < 0):
            judge.words(outcome, self.log_is_json)
        if receipt.exists():
            judge.secrecy(receipt.read_text(), "the receipts")
        self._look(outcome, *before)
        return outcome

    def meddled(self, port: int, *, gone: bool = False) -> Outcome:
        """Call it while another process works in its folder, whose files are not checked; with ``gone`` it
        removes received files."""
        self.lenient, self.gone = True, gone
        try:
            return self.run(port)
        finally:
            self.lenient = False

    def killed(self, port: int, during: During) -> Outcome:
        """Call it; ``during`` sends it a signal."""
        return self.run(port, during=during, signalled=True)

    def fault(self, outcome: Outcome, codes: Codes, *, struck: object = True, here: bool = False) -> None:
        """The exit code is one of ``codes`` or 0, and 0 if the fault did not occur. ``here``: a local
        fault."""
        code = outcome.code
        if not struck:
            require(code == 0, f"exit {code}, and nothing went wrong")
        elif self._mocks and not here:
            require(code == 0, f"exit {code}, and nobody had to be asked")
        allowed = sorted({int(one) for one in (*codes, 0)})
        require(code in allowed, f"exit {code}, not one of {allowed}")

    def clean(self, port: int = 0) -> None:
        """Once more, without a fault: it succeeds and leaves nothing partial."""
        try:
            outcome = self.run(port, env={"RED_TIMEOUT": "20", "RED_RETRIES": "1"})
            require(outcome.code == 0, f"exit {outcome.code}")
        except Violation as violation:
            raise Violation(f"afterwards, without a fault: {violation}") from None

    # -- after -------------------------------------------------------------------------------------

    @property
    def _mocks(self) -> bool:
        return self.verb.sends and not self.scene.stores and not self.checking

    @property
    def wanted(self) -> dict[str, set[bytes]]:
        return {path: self.fickle.get(path, {data}) for path, data in self.content.items()}

    def _far(self) -> Tree:
        """The server's files; read again if something was renamed during the read."""
        for _ in range(20):
            try:
                return self.scene.tree("")
            except FileNotFoundError:
                time.sleep(0.05)
        raise AssertionError("the server's folder does not come to rest")

    def _look(self, outcome: Outcome, here: Tree, far: Tree) -> None:
        whole = outcome.code == Exit.OK and not self.checking
        if self.verb.sends:
            if not self.lenient:
                require(judge.snapshot(self.here) == here, "the files that were sent are others now")
            wanted = {} if self.checking or self._mocks else self.wanted
            self._settle(whole)
            now = self._far()
            if self.may_leave():
                now = {path: data for path, data in now.items() if not judge.hidden(path)}
            for path in self.optional:
                if now.get(path) == far.get(path):
                    wanted.pop(path, None)
            judge.files(now, far, wanted, whole=whole, where="at the server")
        else:
            now = self._far()
            require(
                now.keys() == far.keys(), f"the server has other files: {sorted(now.keys() ^ far.keys())}"
            )
            found = judge.snapshot(self.here)
            for path, data in found.items():
                if judge.hidden(path) and path.endswith(".red-state"):
                    judge.secrecy(data.decode(errors="replace"), path)
            wanted = {} if self.checking else self.wanted
            if self.lenient:
                judge.visible(found, here, wanted, whole=whole, gone=self.gone)
            else:
                judge.files(found, here, wanted, whole=whole, where="here")

    def _settle(self, whole: bool) -> None:
        """Servers may still be writing when the program has exited."""
        deadline = time.monotonic() + 1
        while whole and time.monotonic() < deadline and any(map(judge.hidden, self._far())):
            time.sleep(0.02)
