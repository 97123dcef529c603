"""Access data of the SSH connector in tests, and the results."""

import json
from typing import Any

from connectors import ssh
from connectors.model import RECEIVE_FILE, Verb
from connectors.ssh.login import destination
from connectors.ssh.login.destination import Place
from tests.support.documents import Documents, checker

PASSWORD = "correct-horse-battery"
BOTH = {"username": "me", "password": PASSWORD}


def later(**changes: Any) -> dict[str, Any]:
    """Access data of the later generation; None removes a key."""
    access = {"host": "h", "auth": {"username": "me", "password": PASSWORD}, "filePath": "a/b.csv"} | changes
    return {name: value for name, value in access.items() if value is not None}


def flat(**changes: Any) -> dict[str, Any]:
    """Access data of the first generation."""
    access = {"host": "h", "username": "me", "password": PASSWORD, "fileDir": "a", "fileName": "b"} | changes
    return {name: value for name, value in access.items() if value is not None}


def taken(documents: Documents, access: dict[str, Any], verb: Verb = RECEIVE_FILE) -> Place:
    """The place that ``access`` names; it also passes the JSON Schema."""
    assert not list(checker(ssh.EXECUTABLE, verb).iter_errors(access))
    return destination.of(documents.access(json.dumps(access), verb, connector=ssh))


def refused(documents: Documents, access: dict[str, Any], verb: Verb = RECEIVE_FILE) -> dict[str, str]:
    """The faults: messages by their paths."""
    found = documents.faults(json.dumps(access), verb, connector=ssh)
    assert len({fault.path for fault in found}) == len(found), found
    return {fault.path: fault.message for fault in found}


def refused_by_both(
    documents: Documents, access: dict[str, Any], verb: Verb = RECEIVE_FILE
) -> dict[str, str]:
    assert not checker(ssh.EXECUTABLE, verb).is_valid(access)
    return refused(documents, access, verb)
