"""Uploads over HTTP, for the tests of what a server gets."""

import random
from pathlib import Path

from tests.servers import PASSWORD, USERNAME
from tests.servers.fault import FaultServer
from tests.support.program import Result, run

HTTP = "red-connector-http"
AUTH = {"username": USERNAME, "password": PASSWORD}
BODY = random.Random(3).randbytes(2 << 20)
UPLOADS = ("PUT", "POST")


def send(access: dict[str, object], source: Path, retries: int = 2, **env: str) -> Result:
    settings = {"RED_RETRIES": str(retries), "RED_TIMEOUT": "2", **env}
    return run(HTTP, "send-file", access, source, env=settings)


def uploads(server: FaultServer, path: str = "/x") -> list[str]:
    """The methods of the requests for ``path`` that carry a file, in their order."""
    return [one.method for one in server.requests(path) if one.method in UPLOADS]
