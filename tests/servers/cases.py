"""The conformance suite's table: which connector is tried with which servers.

A new connector is one module in this package with a Case of its own, and one line here.
"""

from collections.abc import Callable

import pytest

from tests.conformance import Case
from tests.servers import ssh_case, xnat_case
from tests.servers.http_case import HttpCase, JsonCase, MockCase, apache, nginx

# Finds the server, by a fixture of conftest.py; gets the name of a folder that no other test uses.
Factory = Callable[[pytest.FixtureRequest, str], Case]

# Executable, then the server's name as it stands in the test's id.
CASES: dict[str, dict[str, Factory]] = {
    "red-connector-http": {"nginx": nginx(HttpCase), "apache": apache(HttpCase)},
    "red-connector-http-json": {"nginx": nginx(JsonCase)},
    "red-connector-http-mock-send": {"nginx": nginx(MockCase)},
    "red-connector-ssh": {
        "sshd": ssh_case.shell,
        "sftp-only": ssh_case.sftp_only,
        "dropbear": ssh_case.dropbear,
        "proftpd": ssh_case.proftpd,
        "asyncssh": ssh_case.asyncssh,
        "rclone": ssh_case.rclone,
    },
    "red-connector-xnat-http": {"fake": xnat_case.scan},
}
