"""The conformance suite's table: which connector is tested with which servers.

A new connector needs one module in this package with its Case, and one line here.
"""

from collections.abc import Callable

import pytest

from tests.conformance.promises import Case
from tests.servers import xnat_case
from tests.servers.http_case import HttpCase, JsonCase, MockCase, apache, nginx
from tests.servers.ssh_case import FlatCase, served

# Gets the server from a fixture of conftest.py, and the name of a folder that no other test uses.
Factory = Callable[[pytest.FixtureRequest, str], Case]

# Executable, then the server's name in the test's id.
CASES: dict[str, dict[str, Factory]] = {
    "red-connector-http": {"nginx": nginx(HttpCase), "apache": apache(HttpCase)},
    "red-connector-http-json": {"nginx": nginx(JsonCase)},
    "red-connector-http-mock-send": {"nginx": nginx(MockCase)},
    "red-connector-ssh": {
        "sshd": served("sshd"),
        "sftp-only": served("sftp_only", FlatCase),
        "dropbear": served("dropbear"),
        "proftpd": served("proftpd"),
        "asyncssh": served("asyncssh", FlatCase),
        "rclone": served("rclone"),
    },
    "red-connector-xnat-http": {"fake": xnat_case.scan},
}
