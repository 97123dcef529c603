"""YAML as a tree of nodes that know their lines: to read it with care, and to find the line of a fault.

PyYAML's own constructor takes duplicate keys, keys of any type and aliases without bound in silence;
so the tree is checked and turned into data here. Only the scalars are left to PyYAML.
"""

import re
from collections.abc import Callable
from functools import cache
from typing import Any

from connectors.access.paths import join, printable

MOST_NODES = 1_000_000
"""How many nodes a document with aliases may stand for when every alias is written out."""

_TAG = "tag:yaml.org,2002:"
_SCALARS = {_TAG + name for name in ("str", "null", "bool", "int", "float", "timestamp")}
_MERGE = _TAG + "merge"

Report = Callable[[str, str, int], None]
"""Takes a path, a message and a line."""


class Unreadable(Exception):
    """The text is not YAML: the ``problem``, without any of the text, and the ``line``, 0 if unknown."""

    def __init__(self, problem: str, line: int = 0) -> None:
        super().__init__(problem)
        self.problem = problem
        self.line = line


def read(text: str, report: Report) -> Any:
    """The data in ``text``; ``report`` hears of whatever is wrong with the tree.

    Unreadable if it is not YAML, RecursionError if it is nested too deeply.
    """
    import yaml  # 30 ms: only for documents that are not JSON

    loader = None
    try:
        loader = _loader_class()(text)
        root = loader.get_single_node()
        return None if root is None else _Builder(loader, report).build(root, "")
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        raise Unreadable(_problem(error.problem or "bad syntax"), mark.line + 1 if mark else 0) from None
    except yaml.YAMLError as error:
        position = getattr(error, "position", None)
        line = text.count("\n", 0, position) + 1 if isinstance(position, int) else 0
        raise Unreadable("holds a character that YAML does not allow", line) from None
    finally:
        if loader:
            loader.dispose()


@cache
def _loader_class() -> Any:
    import yaml

    if not hasattr(yaml, "CSafeLoader"):
        return yaml.SafeLoader

    class Loader(yaml.composer.Composer, yaml.CSafeLoader):
        """libyaml's parser below Python's composer: libyaml's own overflows the stack on deep nesting."""

        def __init__(self, text: str) -> None:
            yaml.CSafeLoader.__init__(self, text)
            yaml.composer.Composer.__init__(self)

    return Loader


def as_yaml(json: str) -> str:
    """A JSON text made fit for YAML, which takes no tabs and no halves of surrogate pairs; its lines stay."""
    return re.sub(r"\\u[dD][89a-fA-F][0-9a-fA-F]{2}", "?", json.replace("\t", " "))


def compose(text: str) -> Any:
    """The root node of ``text``, JSON or YAML, to look up lines in; None if it cannot be had."""
    import yaml

    try:
        return yaml.compose(as_yaml(text), Loader=_loader_class())
    except (yaml.YAMLError, RecursionError, ValueError):
        return None


def line_of(root: Any, path: str) -> int:
    """The line (from 1) of ``path`` below ``root``; of a missing key, the line of what should hold it."""
    import yaml

    node, line = root, root.start_mark.line + 1
    while path:
        if isinstance(node, yaml.SequenceNode):
            index = re.match(r"\[(\d+)]\.?", path)
            if not index or int(index[1]) >= len(node.value):
                break
            node, path = node.value[int(index[1])], path[index.end() :]
            line = node.start_mark.line + 1
        elif isinstance(node, yaml.MappingNode):
            matches = [pair for pair in node.value if _starts_with(path, printable(pair[0].value))]
            if not matches:
                break
            key, node = max(matches, key=lambda pair: len(printable(pair[0].value)))
            line, path = key.start_mark.line + 1, path[len(printable(key.value)) :].removeprefix(".")
        else:
            break
    return int(line)


def _starts_with(path: str, key: str) -> bool:
    return path == key or path.startswith((key + ".", key + "["))


def _problem(text: str) -> str:
    """PyYAML's words without what it quotes from the document, which may be a password."""
    if text == "but found another document":
        return "holds more than one YAML document: write one"
    if text.startswith("found character") and "start any token" in text:
        return "a character that cannot stand here: put values in quotes, indent with spaces, not tabs"
    return re.sub(r"'[^']*\w[^']*'|\"[^\"]*\w[^\"]*\"", "…", text)


class _Builder:
    """Turns nodes into data, once each, and counts how much they stand for."""

    def __init__(self, loader: Any, report: Report) -> None:
        self.loader = loader
        self.report = report
        self.values: dict[int, Any] = {}
        self.sizes: dict[int, int] = {}
        self.open: set[int] = set()
        self.aliased = False
        self.sound = True

    def fault(self, path: str, message: str, node: Any) -> None:
        self.sound = False
        self.report(path, message, node.start_mark.line + 1)

    def build(self, node: Any, path: str) -> Any:
        import yaml

        key = id(node)
        if key in self.open:
            self.fault(path, "an alias that holds itself", node)
            self.sizes[key] = 1
            return None
        if key in self.values:
            self.aliased = True
            return self.values[key]
        self.open.add(key)
        if isinstance(node, yaml.MappingNode):
            value, size = self.mapping(node, path)
        elif isinstance(node, yaml.SequenceNode):
            value, size = self.sequence(node, path)
        else:
            value, size = self.scalar(node, path), 1
        self.open.remove(key)
        self.values[key], self.sizes[key] = value, size
        return value

    def bounded(self, children: list[Any], path: str, node: Any) -> int:
        size = 1 + sum(self.sizes[id(child)] for child in children)
        if self.aliased and size > MOST_NODES:
            self.fault(path, f"its aliases stand for more than {MOST_NODES:,} nodes", node)
            size = 1
        return size

    def sequence(self, node: Any, path: str) -> tuple[Any, int]:
        self.plain(node, "seq", path)
        values = [self.build(child, join(path, index)) for index, child in enumerate(node.value)]
        return values, self.bounded(node.value, path, node)

    def mapping(self, node: Any, path: str) -> tuple[Any, int]:
        self.plain(node, "map", path)
        pairs, seen = list(node.value), dict[str, int]()
        for key, value in pairs:
            name = key.value if isinstance(key.value, str) else ""
            here = join(path, name) if name else path
            if key.tag == _MERGE:
                pass
            elif not isinstance(key.value, str):
                self.fault(path, "a key must be a string; a variable {{name}} must stand in quotes", key)
            elif key.tag != _TAG + "str":
                self.fault(here, "a key must be a string: put it in quotes", key)
            elif name in seen:
                self.fault(here, f"given twice, first in line {seen[name]}: keep one", key)
            seen.setdefault(name, key.start_mark.line + 1)
            self.build(value, here)
        size = self.bounded([value for _, value in pairs], path, node)
        if not self.sound:
            return {}, size
        self.loader.flatten_mapping(node)  # what `<<` merges comes first, so that the mapping's own keys win
        return {key.value: self.build(value, path) for key, value in node.value}, size

    def scalar(self, node: Any, path: str) -> Any:
        if node.tag not in _SCALARS:
            self.fault(path, "a YAML tag that is not taken here: put the value in quotes", node)
            return None
        try:
            return self.loader.construct_object(node)
        except (ValueError, ArithmeticError, LookupError, AttributeError):  # PyYAML trusts explicit tags
            self.fault(path, "looks like a number or a date but is none: put it in quotes", node)
            return None

    def plain(self, node: Any, kind: str, path: str) -> None:
        if node.tag != _TAG + kind:
            self.fault(path, "a YAML tag that is not taken here: leave it out", node)
