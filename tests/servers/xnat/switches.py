"""Options and faults of the fake XNAT, for the whole site or for single requests."""

from dataclasses import dataclass


@dataclass
class Switches:
    """The site's settings, to be changed while the server runs. The defaults are those of XNAT 1.8.11."""

    version: str = "1.8.11"
    """Up to 1.7.4 an alias token that is no longer valid gets 403, later 401."""
    require_login: bool = True
    """Off: requests without credentials are made as the user guest, who may read public projects."""
    session_seconds: float = 900
    """A session ends after this time without a request."""
    session_limit: int = 1000
    """Sessions a user may have; further log-ins get 401."""
    secure_cookie: bool = False
    """The site's own URL is https: the cookie is marked Secure, so plain http never brings it back."""
    checksums: bool = True
    """The catalogue keeps the MD5 of what comes in. Off: ``digest`` is empty in every listing."""
    catalog_race: bool = False
    """Two writers to one resource at once: the later gets 500, its bytes on disk, not in the catalogue."""
    legacy_names: bool = False
    """The path of a file is never decoded, as before 2022 (inferred from the sources of 1.7)."""
    redirect_to: str = ""
    """Answer every request with a redirect to the same path below this URL, as http does for https."""
    redirect_status: int = 302
    """With this status."""
    largest_body: int | None = None
    """A larger body gets 413, as from nginx in front of XNAT (whose default is 1 MiB)."""
    maintenance: bool = False
    """Answer every request with an HTML page and 200, as a proxy in front of XNAT may."""


@dataclass
class Fault:
    """What shall go wrong with the next requests that match; see ``Xnat.fail``."""

    status: int = 0
    """Answer with this status and a page of HTML, and do nothing else."""
    after: bool = False
    """With ``status``: do what was asked, but answer so."""
    drop: int | None = None
    """Close the connection after so many bytes of the request's body, with no answer; 0: at once."""
    lose: bool = False
    """Do what was asked, and close the connection without an answer."""
    truncate: int | None = None
    """Close the connection after so many bytes of the answer's body."""
    damage: bool = False
    """Turn over the bits of the first byte of the answer's body."""
    pause: float = 0.0
    """Seconds to wait before the answer."""
    times: int = 1
    """For so many requests; -1 for all."""
