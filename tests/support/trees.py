"""Trees of files: in memory, in a local folder, at a server, and as listings."""

from pathlib import Path
from typing import Any

from tests.conformance.promises import NAMES, Case, sha1

Tree = dict[str, bytes]


def sample(case: Case) -> Tree:
    """A tree with two levels of folders and odd names."""
    names = ["a.txt", "sub/b.txt", "sub/deep er/c#.txt", *(f"odd/{name}" for name in NAMES)]
    return {name: case.payload(30 + seed, seed) for seed, name in enumerate(names)}


def place(case: Case, folder: str, tree: Tree) -> None:
    for path, content in tree.items():
        case.place(f"{folder}/{path}", content)


def write(folder: Path, tree: Tree) -> Path:
    for path, content in tree.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_bytes(content)
    return folder


def read(folder: Path) -> Tree:
    """All files below a local folder, including hidden leftovers."""
    return {
        str(one.relative_to(folder)): one.read_bytes() for one in sorted(folder.rglob("*")) if one.is_file()
    }


def listing(tree: Tree, checked: bool = True) -> list[dict[str, Any]]:
    """The tree as a CWL listing, with sizes and checksums if ``checked``."""
    nodes: list[dict[str, Any]] = []
    folders: dict[str, Tree] = {}
    for path, content in tree.items():
        name, slash, rest = path.partition("/")
        if slash:
            folders.setdefault(name, {})[rest] = content
        else:
            facts = {"size": len(content), "checksum": sha1(content)} if checked else {}
            nodes.append({"class": "File", "basename": name, **facts})
    for name, below in folders.items():
        nodes.append({"class": "Directory", "basename": name, "listing": listing(below, checked)})
    return nodes


def file(basename: str, **facts: Any) -> dict[str, Any]:
    return {"class": "File", "basename": basename, **facts}


def deep(case: Case) -> str:
    """The path of a deeply nested directory."""
    return "/".join(["d"] * case.deepest)
