"""Imports cerberus, paramiko and pycurl in half the time, without modules that are not needed here.

cerberus and paramiko use importlib.metadata only for their own version; with its imports it takes 20 of the
35 ms of ``import cerberus``. cerberus also imports pprint, for texts that are not used here: 5 ms. paramiko
also imports invoke, which is optional: it runs commands from an ssh_config, which is never read here.
Together that is 70 of paramiko's 160 ms (2026, cerberus 1.3.8, paramiko 5.1). pycurl has a class for asyncio,
for which it imports dataclasses: 6 of 13 ms (7.49). Every call of a connector would pay for this, so
stand-ins replace these modules during the import.

cerberus also validates each schema before it uses it: 11 of the 15 ms that it takes to validate an access
document. The schemas here are constants, and tests validate them.
"""

import os
import sys
from importlib import import_module
from types import ModuleType
from typing import Any

METADATA, PPRINT = "importlib.metadata", "pprint"
PYCURL_ASYNC = "pycurl.async_multi"


def import_cerberus() -> None:
    """Import it once; importlib.metadata and pprint are restored afterwards."""
    _import("cerberus", {METADATA: _StandIn(METADATA), PPRINT: _StandIn(PPRINT)})


def import_paramiko() -> None:
    """Import it once; invoke and importlib.metadata are restored afterwards."""
    _import("paramiko", {METADATA: _StandIn(METADATA), "invoke": None})


def import_pycurl() -> None:
    """Import it once, without its AsyncCurlMulti."""
    _import("pycurl", {PYCURL_ASYNC: _StandIn(PYCURL_ASYNC)})


def _import(package: str, stand_ins: dict[str, ModuleType | None]) -> None:
    """Import with ``stand_ins`` in place of modules not yet imported; None: not installed."""
    if package in sys.modules:
        return
    stand_ins = {name: module for name, module in stand_ins.items() if name not in sys.modules}
    sys.modules.update(stand_ins)  # type: ignore[arg-type]  # None is meant: see the import system
    try:
        import_module(package)
        return
    except (AttributeError, ImportError):  # this version uses more of these modules
        for name in [name for name in sys.modules if name.partition(".")[0] == package]:
            del sys.modules[name]
    finally:
        for name in stand_ins:
            sys.modules.pop(name, None)
    import_module(package)


class AllSchemas(set[Any]):
    """For ``_valid_schemas`` of a validator class, where cerberus caches the schemas it has validated."""

    def __contains__(self, schema: object) -> bool:
        return True


class _StandIn(ModuleType):
    """What the three packages use of the modules that it replaces."""

    PackageNotFoundError = LookupError
    pformat = staticmethod(repr)
    AsyncCurlMulti = None

    @staticmethod
    def version(package: str) -> str:
        """The version from the name of the package's .dist-info folder."""
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
