"""libcurl, as ``pycurl`` gives it, and no more of that than is used here."""

from connectors.imports import import_pycurl

import_pycurl()

import pycurl  # noqa: E402

__all__ = ["pycurl"]
