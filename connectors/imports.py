"""cerberus, paramiko and pycurl in half the time: without what they do and import for nothing here.

cerberus and paramiko ask importlib.metadata for their own version and for nothing else, and that module,
with what it imports in turn, takes 20 of the 35 ms that ``import cerberus`` takes. cerberus also imports
pprint, for texts that are not asked for here: 5 ms with what that imports. paramiko also imports invoke, and
does without it where it is not installed: it runs commands that an ssh_config names, which is never read
here. Together that is 70 of paramiko's 160 ms (2026, cerberus 1.3.8, paramiko 5.1). pycurl brings a class for
asyncio, for which it imports dataclasses: 6 of 13 ms (7.49). Every call of a connector would pay them, so
stand-ins answer while the three are imported.

And cerberus looks whether a schema is one before it uses it: 11 of the 15 ms that it takes to look at an
access document. The schemas here are constants, which tests have shown to it.
"""

import os
import sys
from importlib import import_module
from types import ModuleType
from typing import Any

METADATA, PPRINT = "importlib.metadata", "pprint"
PYCURL_ASYNC = "pycurl.async_multi"


def import_cerberus() -> None:
    """Import it, unless it is; importlib.metadata and pprint are afterwards what they were before."""
    _import("cerberus", {METADATA: _StandIn(METADATA), PPRINT: _StandIn(PPRINT)})


def import_paramiko() -> None:
    """Import it, unless it is; invoke and importlib.metadata are afterwards what they were before."""
    _import("paramiko", {METADATA: _StandIn(METADATA), "invoke": None})


def import_pycurl() -> None:
    """Import it, unless it is, without its AsyncCurlMulti."""
    _import("pycurl", {PYCURL_ASYNC: _StandIn(PYCURL_ASYNC)})


def _import(package: str, stand_ins: dict[str, ModuleType | None]) -> None:
    """With ``stand_ins`` in place of what is not imported yet; None is a module that is not installed."""
    if package in sys.modules:
        return
    stand_ins = {name: module for name, module in stand_ins.items() if name not in sys.modules}
    sys.modules.update(stand_ins)  # type: ignore[arg-type]  # None is meant: see the import system
    try:
        import_module(package)
        return
    except (AttributeError, ImportError):  # a version that wants more of them
        for name in [name for name in sys.modules if name.partition(".")[0] == package]:
            del sys.modules[name]
    finally:
        for name in stand_ins:
            sys.modules.pop(name, None)
    import_module(package)


class AllSchemas(set[Any]):
    """For ``_valid_schemas`` of a class of validators, where cerberus notes those that it has looked at."""

    def __contains__(self, schema: object) -> bool:
        return True


class _StandIn(ModuleType):
    """What the three take from the modules that it stands for."""

    PackageNotFoundError = LookupError
    pformat = staticmethod(repr)
    AsyncCurlMulti = None

    @staticmethod
    def version(package: str) -> str:
        """From the name of the folder that describes the installed package."""
        for folder in sys.path:
            try:
                names = os.listdir(folder or ".")
            except OSError:
                continue
            for name in names:
                title, _, version = name.removesuffix(".dist-info").partition("-")
                if name.endswith(".dist-info") and title.lower() == package.lower():
                    return version
        return "unknown"
