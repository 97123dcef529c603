"""Addresses in XNAT, and the names under which XNAT stores files.

Numbers refer to docs/xnat-rest-api.md.
"""

import os
import re
from collections.abc import Mapping
from typing import Any, NamedTuple
from urllib.parse import quote, unquote_plus, unquote_to_bytes, urlencode

COLLECTIONS = {"project": "projects", "subject": "subjects", "session": "experiments"}
"""Fields of the access document and the collections they belong to, in the order of an address."""


class Place(NamedTuple):
    """A resource, and the file or folder in it (``base``) that everything is relative to.

    Addresses (``…_url``) are relative to the site's. ``kind`` and ``container`` are empty if the resource
    does not belong to a container. The last three apply to sending: ``facts`` are metadata for each file.
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
        """The owner of the resource."""
        return f"{self.parent_url}/{self.kind}/{self._in_url}" if self.kind else self.parent_url

    @property
    def resources_url(self) -> str:
        """The list of resources."""
        return f"{self.owner_url}{f'/{self.direction}' if self.direction else ''}/resources"

    @property
    def resource_url(self) -> str:
        return f"{self.resources_url}/{_quoted(self.resource)}"

    @property
    def files_url(self) -> str:
        """The list of files."""
        return f"{self.resource_url}/files"

    @property
    def siblings_url(self) -> str:
        """A list that shows whether a name is a typo; "" if the list of files does.

        For an unknown session or container, XNAT answers with the subject's files (2.3); a list of containers
        has no such fallback (2.4).
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
        """The container; only a scan's ID may contain slashes (2.6)."""
        return _quoted(self.container.replace("/", "[SLASH]"))

    def files_of(self, number: str) -> str:
        """The list of files; by the resource's ``number`` if the label is ambiguous."""
        return f"{self.resources_url}/{number}/files" if number else self.files_url

    def url_of(self, name: str) -> str:
        """The address to upload the file or folder ``name`` to; for "", the list of files."""
        return f"{self.files_url}/{in_url(name)}" if name else self.files_url

    def file_url(self, name: str, kept: str, number: str = "") -> str:
        """An existing file: it is found under the ``name`` it was uploaded as, otherwise under the name that
        XNAT has ``kept`` (5.13)."""
        return f"{self.files_of(number)}/{in_url(name if kept in put_as(name) else kept)}"

    def name(self, path: str) -> str:
        """The file or folder ``path``, relative to the resource."""
        return f"{self.base}/{path}" if self.base and path else self.base or path


def of(access: Mapping[str, Any]) -> Place:
    """The place in ``access`` (validated)."""
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
    """A file's ``name`` as quoted in an address."""
    return quote(os.fsencode(name), safe="/")


def query(parameters: Mapping[str, str]) -> str:
    return f"?{urlencode(parameters)}" if parameters else ""


def stored(address: str) -> str:
    """The name under which XNAT stores a file uploaded to ``address``, a quoted path.

    XNAT decodes all of it if it contains a quoted blank or plus, otherwise nothing; before 2022 it never
    decoded (5.13).
    """
    return unquote_plus(address) if re.search("%20|%2B", address) else address


def is_kept(name: str) -> bool:
    """Whether XNAT stores ``name`` under the same name from an address as from an archive (5.13, 5.26)."""
    return not is_xnats_own(name) and name.isascii() and "%" not in name and stored(in_url(name)) == name


def is_catalogue(resource: str, name: str) -> bool:
    """Whether ``name`` is, or is below, the file in which XNAT stores its list of the ``resource``'s files
    (5.26)."""
    return name.partition("/")[0] == f"{resource}_catalog.xml"


def is_xnats_own(name: str) -> bool:
    """Whether XNAT treats a file of this name as its own: it neither lists one from an archive nor replaces
    one (5.26). Source: XNAT_CATALOGABLE_FILE_FILTER in its CatalogUtils."""
    base = name.rpartition("/")[2]
    return base.endswith("_catalog.xml") or base.startswith(".~lock-")


def put_as(name: str) -> tuple[str, str]:
    """The names under which XNAT stores a file uploaded as ``name``: now, and before 2022 (5.13)."""
    address = in_url(name)
    return stored(address), address


def meant_by(kept: str) -> str:
    """The original name of a file that XNAT stores as ``kept``."""
    if re.search("[ +]", kept):
        return kept
    return os.fsdecode(unquote_to_bytes(kept))
