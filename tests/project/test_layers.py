"""Imports point one way: from the command line down to the ground floor, and never back."""

import ast
from collections import Counter
from collections.abc import Iterator
from functools import cache
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]

GROUND = ("errors", "model", "imports", "wording", "pem", "disguises", "secrets", "log", "checksum")
PROTOCOLS = ("http", "ssh", "xnat")
LAYERS = (
    GROUND,
    ("local",),
    ("settings", "remote"),
    ("access", "net", "archives"),
    ("transfer",),
    PROTOCOLS,
    ("variants",),
    ("registry",),
    ("call",),
    ("cli",),
    ("__main__",),
)
"""From the bottom: what is in one layer may import from those before it, and within its own package."""

BESIDE = {("xnat", "http")}
"""Which package may import another one of its own layer: XNAT is spoken over HTTP."""

RANK = {package: rank for rank, layer in enumerate(LAYERS) for package in layer}


@cache
def modules() -> dict[str, Path]:
    """All modules of the program by their full names."""
    found = {}
    for path in (ROOT / "connectors").rglob("*.py"):
        name = ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")
        found[name] = path
    return found


def imported(module: str, *, for_types: bool = True) -> set[str]:
    """What ``module`` imports of the program, in functions too; ``for_types``: under TYPE_CHECKING too."""
    found = set[str]()
    for node in nodes(ast.parse(modules()[module].read_text()), for_types):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert not node.level, f"{module}: relative imports are not used here"
            for alias in node.names:
                below = f"{node.module}.{alias.name}"
                found.add(below if below in modules() else str(node.module))
    return {name for name in found if name in modules()} - {module}


def nodes(tree: ast.AST, for_types: bool) -> Iterator[ast.AST]:
    yield tree
    for child in ast.iter_child_nodes(tree):
        if for_types or not (isinstance(child, ast.If) and ast.unparse(child.test) == "TYPE_CHECKING"):
            yield from nodes(child, for_types)


def package(module: str) -> str:
    """What stands in LAYERS; "" for ``connectors`` itself, which has only a version."""
    return module.partition(".")[2].partition(".")[0]


def arrows() -> Iterator[tuple[str, str]]:
    for module in modules():
        for target in imported(module):
            if package(module) != package(target) and package(target):
                yield module, target


def test_every_module_has_its_layer() -> None:
    assert {package(module) for module in modules()} - {""} == set(RANK)


def test_no_import_points_upward() -> None:
    upward = [arrow for arrow in arrows() if RANK[package(arrow[1])] > RANK[package(arrow[0])]]
    assert not upward


@pytest.mark.parametrize("layer", LAYERS, ids=" ".join)
def test_packages_of_one_layer_do_not_import_each_other(layer: tuple[str, ...]) -> None:
    if layer == GROUND:  # single modules, which may, as long as it is not in circles
        return
    beside = {(package(one), package(other)) for one, other in arrows()} - BESIDE
    assert not [pair for pair in beside if set(pair) <= set(layer)]


def test_no_modules_import_each_other_in_a_circle() -> None:
    """But for types, as a part may name its whole, within one package."""
    graph = {module: imported(module, for_types=False) for module in modules()}
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        pytest.fail(" → ".join(error.args[1]))


def test_no_two_modules_have_the_same_name() -> None:
    names = Counter(path.name for path in modules().values())
    assert [name for name, count in names.items() if count > 1] == ["__init__.py"]
