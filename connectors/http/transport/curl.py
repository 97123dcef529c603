"""Imports pycurl, without the parts that are not used here."""

from connectors.imports import import_pycurl

import_pycurl()

import pycurl  # noqa: E402

__all__ = ["pycurl"]
