"""Where something is in XNAT: its address, and the name that XNAT keeps a file under."""

import os
import re
from collections.abc import Mapping
from typing import Any, NamedTuple
from urllib.parse import quote, unquote_plus, unquote_to_bytes, urlencode

STEPS = (("project", "projects"), ("subject", "subjects"), ("session", "experiments"))


class Place(NamedTuple):
    """A resource, and the file or folder in it that everything is relative to.

    ``parent`` is the address of the project, subject or session, below the site's; ``kind`` and
    ``container`` are empty where the resource is not a container's.
    """

    project: str
    parent: str
    kind: str
    container: str
    direction: str
    resource: str
    base: str
    xsi_type: str
    overwrite: bool
    facts: Mapping[str, str]

    @property
    def owner(self) -> str:
        """The address of what the resource belongs to."""
        return f"{self.parent}/{self.kind}/{self._in_url}" if self.kind else self.parent

    @property
    def resources(self) -> str:
        """The address of the list of resources."""
        return f"{self.owner}{f'/{self.direction}' if self.direction else ''}/resources"

    @property
    def own_resource(self) -> str:
        return f"{self.resources}/{_quoted(self.resource)}"

    @property
    def files(self) -> str:
        """The address of the list of files."""
        return f"{self.own_resource}/files"

    @property
    def siblings(self) -> str:
        """The address of a list that tells a typo from what is there, "" if the files' own list does.

        Files and lists of them fall through to the subject where session or container are unknown; a list of
        containers does not.
        """
        if self.kind:
            return f"{self.parent}/{self.kind}"
        return f"{self.parent}/scans" if "/experiments/" in self.parent else ""

    @property
    def shown(self) -> str:
        """The container, for messages."""
        return f"{self.kind}/{self.container}"

    @property
    def _in_url(self) -> str:
        return _quoted(self.container.replace("/", "[SLASH]"))

    def name(self, path: str) -> str:
        """The file or folder ``path``, seen from the resource."""
        return f"{self.base}/{path}" if self.base and path else self.base or path


def of(access: Mapping[str, Any]) -> Place:
    """The place that access data (validated) names."""
    steps = [f"/{collection}/{_quoted(access[key])}" for key, collection in STEPS if key in access]
    return Place(
        project=f"/data/projects/{_quoted(access['project'])}",
        parent="/data" + "".join(steps),
        kind=access.get("containerType", ""),
        container=access.get("container", ""),
        direction=access.get("direction", ""),
        resource=access["resource"],
        base=access.get("file", "").strip("/"),
        xsi_type=access.get("xsiType", ""),
        overwrite=access.get("overwriteExistingFile", False),
        facts={key: access[key] for key in ("format", "content", "tags") if access.get(key)},
    )


def _quoted(segment: str) -> str:
    return quote(os.fsencode(segment), safe="")


def in_url(name: str) -> str:
    """A file's ``name`` as it is sent in an address."""
    return quote(os.fsencode(name), safe="/")


def query(parameters: Mapping[str, str]) -> str:
    return f"?{urlencode(parameters)}" if parameters else ""


def stored(address: str) -> str:
    """The name under which XNAT keeps what is put to ``address``, a quoted path.

    All of it is decoded if a blank or a plus is quoted anywhere in it, else nothing is (since 2022).
    """
    return unquote_plus(address) if re.search("%20|%2B", address) else address


def is_kept(name: str) -> bool:
    """Whether a file called so in an address has the same name as one called so inside an archive."""
    return name.isascii() and "%" not in name and stored(in_url(name)) == name


def put_as(name: str) -> tuple[str, str]:
    """The names that XNAT may keep a file under which is put as ``name``: now, and before 2022."""
    address = in_url(name)
    return stored(address), address


def meant_by(kept: str) -> str:
    """The name that a file which XNAT keeps as ``kept`` had before it was quoted and sent there."""
    if re.search("[ +]", kept):
        return kept
    return os.fsdecode(unquote_to_bytes(kept))
