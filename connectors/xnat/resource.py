"""A resource and its owner: checks that they exist, lists their files, creates them.

Numbers refer to docs/xnat-rest-api.md.
"""

import threading

from connectors import secrets
from connectors.errors import (
    CannotCreate,
    ConfigError,
    Fault,
    NotFound,
    ProtocolViolation,
)
from connectors.http.transport.reply import Reply, whole_number
from connectors.xnat import catalogue
from connectors.xnat.addresses import Place, query
from connectors.xnat.catalogue import Catalogue
from connectors.xnat.lists import texts
from connectors.xnat.xnat_rules import EXAMPLES
from connectors.xnat.xnat_session import Session


class Resource:
    """The resource at ``place``. ``is_owned``: whether its container exists."""

    def __init__(self, session: Session, place: Place, *, sends: bool) -> None:
        self._session = session
        self._place = place
        self._sends = sends
        self._lock = threading.Lock()
        self._catalogue: Catalogue | None = None
        self.is_owned = False

    @property
    def _shown(self) -> str:
        return secrets.shown_url(self._session.base + self._place.resource_url)

    def resolve(self) -> None:
        """Check that the resource's owner exists: if it does not, XNAT uses the subject's resource (2.3).

        When sending, a missing container is allowed if it can be created: ConfigError if its xsiType is
        missing, CannotCreate if it exists with another one. When receiving, NotFound. Error responses raise
        ``Session.failure``.
        """
        place = self._place
        if not place.siblings_url:
            self.catalogue()
            self.is_owned = True
            return
        rows: list[dict[str, str]] = []
        reply = self._session.listed(place.siblings_url, texts(rows))
        if reply.status >= 500:
            self._look_for_project(reply)
        if not reply.ok:
            raise self._session.failure(reply)
        if not place.kind:
            self.is_owned = True
            return
        found = [row for row in rows if place.container in (row.get("ID"), row.get("label"))]
        self.is_owned = bool(found)
        if found and place.xsi_type:
            self._must_be(found[0].get("xsiType") or self._session.item_type(place.owner_url))
        if not found:
            self._can_be_made([row.get("label") or row.get("ID", "") for row in rows])

    def _look_for_project(self, reply: Reply) -> None:
        """A temporary failure or a missing project: XNAT answers 500 for both (2.4)."""
        project = self._session.ask("GET", f"{self._place.project_url}?format=json")
        raise self._session.failure(reply if project.ok or project.status >= 500 else project)

    def _must_be(self, xsi_type: str) -> None:
        if xsi_type and xsi_type != self._place.xsi_type:
            raise CannotCreate(
                f"{self._shown}: {self._place.shown} is of type {xsi_type}, not {self._place.xsi_type}",
                hint="check xsiType and container in the access document",
            )

    def _can_be_made(self, others: list[str]) -> None:
        place = self._place
        if not self._sends:
            known = f"{place.kind} there: {', '.join(others[:20])}" if others else "there are none"
            raise NotFound(f"{self._shown}: there is no {place.shown} in this session", hint=known)
        if not place.xsi_type and place.kind != "reconstructions":
            missing = (
                f"required to make {place.shown}, which does not exist yet, such as {EXAMPLES[place.kind]}"
            )
            raise ConfigError([Fault("xsiType", missing)])

    def make_owner(self) -> None:
        """Create the container if it does not exist."""
        if self.is_owned:
            return
        facts = query({"xsiType": self._place.xsi_type} if self._place.xsi_type else {})
        reply = self._session.ask("PUT", self._place.owner_url + facts)
        if reply.status in (400, 417, 422):
            raise ConfigError(
                [Fault("xsiType", f"XNAT does not create {self._place.kind} of this type: {reply.status}")],
                hint=self._session.failure(reply).message,
            )
        if not reply.ok:
            raise self._session.failure(reply)
        self.is_owned = True

    def catalogue(self) -> Catalogue:
        """What is in the resource, as far as is known: asked once, and again after ``forget``."""
        with self._lock:
            if self._catalogue is None:
                listing = catalogue.Listing(self._shown)
                reply = self._session.listed(self._place.files_url, listing.take)
                if not reply.ok:
                    raise self._session.failure(reply)
                container = f"/{self._place.kind}/{self._place.container}" if self._place.kind else ""
                self._catalogue = listing.of(container)
            return self._catalogue

    def forget(self) -> None:
        """Drop the cached content, which may have changed."""
        with self._lock:
            self._catalogue = None

    def must_exist(self) -> None:
        """Raise NotFound unless the resource exists: XNAT's list of files is empty if it does not (5.21)."""
        place = self._place
        rows = self._session.rows(place.resources_url)
        if place.kind == "scans":  # may include those of a scan whose type is this one's ID (2.2)
            rows = [row for row in rows if row.get("cat_id") in (None, "", place.container)]
        labels = [row.get("label", "") for row in rows]
        if place.resource not in labels:
            known = f"resources there: {', '.join(labels[:20])}" if labels else "there are none"
            raise NotFound(f"{self._shown}: there is no such resource", hint=known)
        counts = [
            whole_number(row.get("file_count", "")) for row in rows if row.get("label") == place.resource
        ]
        if len(counts) == 1 and counts[0] and not len(self.catalogue()):
            files = "1 file" if counts[0] == 1 else f"{counts[0]} files"
            raise ProtocolViolation(
                f"{self._shown}: XNAT reports {files} but lists none",
                hint="its catalogue may be damaged: ask the site's administrator to refresh it",
            )
        numbers = {row.get("xnat_abstractresource_id") for row in rows if row.get("label") == place.resource}
        if numbers & self.catalogue().others:
            raise ProtocolViolation(f"{self._shown}: XNAT lists its files as those of something else")

    def make(self) -> None:
        """Create the resource if it does not exist; NotPermitted if this user may not write to it (4.3)."""
        reply = self._session.ask("PUT", self._place.resource_url)
        if not reply.ok and reply.status != 409:  # 409: it exists
            raise self._session.failure(reply)
