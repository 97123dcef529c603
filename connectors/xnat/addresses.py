"""Where something is in XNAT: its address, and the name that XNAT keeps a file under.

The numbers are those of docs/xnat-rest-api.md.
"""

import os
import re
from collections.abc import Mapping
from typing import Any, NamedTuple
from urllib.parse import quote, unquote_plus, unquote_to_bytes, urlencode

COLLECTIONS = {"project": "projects", "subject": "subjects", "session": "experiments"}
"""Fields of the access document and what they are one of, from the left to the right."""


class Place(NamedTuple):
    """A resource, and the file or folder in it (``base``) that everything is relative to.

    Addresses (``…_url``) are below the site's. ``kind`` and ``container`` are empty where the resource is not
    a container's. The last three are what is wished of what is sent: ``facts`` are those of each file.
    """

    project_url: str
    parent_url: str
    kind: str
    container: str
    direction: str
    resource: str
    base: str
    xsi_type: str
    overwrite: bool
    facts: Mapping[str, str]

    @property
    def owner_url(self) -> str:
        """Of what the resource belongs to."""
        return f"{self.parent_url}/{self.kind}/{self._in_url}" if self.kind else self.parent_url

    @property
    def resources_url(self) -> str:
        """Of the list of resources."""
        return f"{self.owner_url}{f'/{self.direction}' if self.direction else ''}/resources"

    @property
    def resource_url(self) -> str:
        return f"{self.resources_url}/{_quoted(self.resource)}"

    @property
    def files_url(self) -> str:
        """Of the list of files."""
        return f"{self.resource_url}/files"

    @property
    def siblings_url(self) -> str:
        """Of a list that tells a typo from what is there, "" if the files' own list does.

        Files and lists of them fall through to the subject where session or container are unknown (2.3); a
        list of containers does not (2.4).
        """
        if self.kind:
            return f"{self.parent_url}/{self.kind}"
        return f"{self.parent_url}/scans" if "/experiments/" in self.parent_url else ""

    @property
    def shown(self) -> str:
        """The container, for messages."""
        return f"{self.kind}/{self.container}"

    @property
    def _in_url(self) -> str:
        """The container; only the ID of a scan has slashes (2.6)."""
        return _quoted(self.container.replace("/", "[SLASH]"))

    def files_of(self, number: str) -> str:
        """The address of the list of files, by the resource's ``number`` where the label means others too."""
        return f"{self.resources_url}/{number}/files" if number else self.files_url

    def url_of(self, name: str) -> str:
        """Of the file or folder ``name``, under which it is put; of the list of files for ""."""
        return f"{self.files_url}/{in_url(name)}" if name else self.files_url

    def file_url(self, name: str, kept: str, number: str = "") -> str:
        """Of a file that is there, meant by ``name``: it is found under the name that it was put under, or
        else under the one that XNAT has ``kept`` (5.13)."""
        return f"{self.files_of(number)}/{in_url(name if kept in put_as(name) else kept)}"

    def name(self, path: str) -> str:
        """The file or folder ``path``, seen from the resource."""
        return f"{self.base}/{path}" if self.base and path else self.base or path


def of(access: Mapping[str, Any]) -> Place:
    """The place that access data (validated) names."""
    steps = [
        f"/{collection}/{_quoted(access[key])}" for key, collection in COLLECTIONS.items() if key in access
    ]
    return Place(
        project_url=f"/data/projects/{_quoted(access['project'])}",
        parent_url="/data" + "".join(steps),
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

    All of it is decoded if a blank or a plus is quoted anywhere in it, else nothing is; before 2022
    nothing ever was (5.13).
    """
    return unquote_plus(address) if re.search("%20|%2B", address) else address


def is_kept(name: str) -> bool:
    """Whether a file called so in an address has the same name as one called so inside an archive
    (5.13, 5.26)."""
    return not is_xnats_own(name) and name.isascii() and "%" not in name and stored(in_url(name)) == name


def is_catalogue(resource: str, name: str) -> bool:
    """Whether a file of this name would be, or be below, the one in which XNAT keeps its list of the files of
    the ``resource`` (5.26)."""
    return name.partition("/")[0] == f"{resource}_catalog.xml"


def is_xnats_own(name: str) -> bool:
    """Whether XNAT takes a file of this name for one of its own: it unpacks none such into a resource's list,
    and replaces none (5.26). The source is XNAT_CATALOGABLE_FILE_FILTER of its CatalogUtils."""
    base = name.rpartition("/")[2]
    return base.endswith("_catalog.xml") or base.startswith(".~lock-")


def put_as(name: str) -> tuple[str, str]:
    """The names that XNAT may keep a file under which is put as ``name``: now, and before 2022 (5.13)."""
    address = in_url(name)
    return stored(address), address


def meant_by(kept: str) -> str:
    """The name that a file which XNAT keeps as ``kept`` had before it was quoted and sent there."""
    if re.search("[ +]", kept):
        return kept
    return os.fsdecode(unquote_to_bytes(kept))
