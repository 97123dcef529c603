"""Fixtures: the real servers, started once for a whole run, and a faulty one for each test."""

import contextlib
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from functools import cache
from itertools import count
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

pytest.register_assert_rewrite(
    "tests.conformance.promises",
    "tests.conformance.files",
    "tests.conformance.decorations",
    "tests.conformance.directories",
    "tests.conformance.directories_sent",
    "tests.support.trees",
    "tests.conformance.mounts",
    "tests.support.ssh_access",
)

from tests.servers import (  # noqa: E402
    apache,
    delay,
    fault,
    nginx,
    proxy,
    rclone_http,
    sftp_fault,
    simple,
    ssh_others,
    sshd,
    xnat,
)
from tests.support import mounting, require  # noqa: E402
from tests.support.asking import Asker  # noqa: E402
from tests.support.calls import BODY, WHOLE, Caller  # noqa: E402
from tests.support.documents import Documents, no_secrets  # noqa: E402
from tests.support.far import Far  # noqa: E402
from tests.support.xnat_calls import SCAN, Archive  # noqa: E402

_numbers = count(1)

SERVERS = {
    *("web", "httpd", "rclone_web", "plain", "faulty", "forward"),
    *("sshd", "sftp_only", "dropbear", "proftpd", "asyncssh", "rclone", "host_key"),
    *("far", "xnat_site", "here"),
}
"""Fixtures that start a server or mount something; other fixtures do so by using these."""

STARTING = ("tests.servers.", "tests.support.engine", "tests.support.podman", "tests.support.mounting")
"""A test module that imports one of these starts a server or a container."""


def pytest_configure(config: pytest.Config) -> None:
    """One temporary folder for all that a run leaves, removed at its end; pytest keeps its own."""
    if hasattr(config, "workerinput"):  # of pytest-xdist: it has the folder from the process that started it
        return
    os.environ.setdefault("PYTEST_DEBUG_TEMPROOT", tempfile.gettempdir())
    scratch = tempfile.mkdtemp(prefix="red-test-run-")
    os.chmod(scratch, 0o755)  # servers read in it under names of their own
    os.environ["TMPDIR"] = tempfile.tempdir = scratch
    config.add_cleanup(lambda: shutil.rmtree(scratch, ignore_errors=True))


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark each test that needs a server, FUSE or a container engine: ``make check`` leaves it out."""
    for item in items:
        assert isinstance(item, pytest.Function)
        if SERVERS & set(item.fixturenames) or _uses_servers(item.module):
            item.add_marker("server")


@cache
def _uses_servers(module: ModuleType) -> bool:
    """Whether it imports something that starts one."""
    names = {
        getattr(value, "__module__", None) or getattr(value, "__name__", "")
        for value in vars(module).values()
    }
    return any(str(name).startswith(STARTING) for name in names)


def _running(what: str, start: Callable[[], AbstractContextManager[object]], name: str = "") -> Any:
    """A fixture: the server that ``start`` starts, once for a whole run. ``what`` is it for people."""

    @pytest.fixture(scope="session", name=name or what)
    def fixture() -> Iterator[object]:
        with require.running(what, start) as server:
            yield server

    return fixture


web = _running("nginx", nginx.start, "web")
httpd = _running("apache", apache.start, "httpd")
rclone_web = _running("rclone", rclone_http.start, "rclone_web")
with_shell = _running("sshd", sshd.start)
sftp_only = _running("sshd", lambda: sshd.start(sftp_only=True), "sftp_only")
dropbear = _running("dropbear", ssh_others.dropbear)
proftpd = _running("proftpd", ssh_others.proftpd)
asyncssh = _running("asyncssh", ssh_others.asyncssh)
rclone = _running("rclone", ssh_others.rclone)


@pytest.fixture(params=["sshd", "sftp_only"])
def far(request: pytest.FixtureRequest, fresh: str) -> Far:
    """A folder on an SSH server, once on each kind of them."""
    return Far(request.getfixturevalue(request.param), fresh)


@pytest.fixture
def documents(tmp_path: Path) -> Iterator[Documents]:
    """To be prepared; what is secret in them is forgotten afterwards."""
    with no_secrets():
        yield Documents(tmp_path)


@pytest.fixture
def relay(far: Far) -> Iterator[delay.Relay]:
    """Between the connector and the server of ``far``, which a module may have its own idea of."""
    with delay.start(far.server.port) as relay:
        yield relay


@pytest.fixture(scope="session")
def host_key(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A private key for servers that have none of their own."""
    path = tmp_path_factory.mktemp("key") / "host"
    with require.running("sshd", lambda: contextlib.nullcontext(sshd.make_key(path))):
        return path


@pytest.fixture
def caller(host_key: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> Iterator[Caller]:
    """With a server that does what a test tells it: it has a file, and a folder with the files of WHOLE."""
    here = tmp_path / "here"
    here.mkdir()
    with sftp_fault.start(host_key) as server:
        server.files[b"/data/file"] = bytearray(BODY)
        server.folders.add(b"/data/d")
        for name, content in WHOLE.items():
            server.files[b"/data/d/" + name] = bytearray(content)
        yield Caller(server, here, capfd)


@pytest.fixture(scope="session")
def plain() -> Iterator[simple.Simple]:
    with simple.start() as server:
        yield server


@pytest.fixture
def xnat_site() -> Iterator[xnat.Xnat]:
    with xnat.start() as server:
        yield server


@pytest.fixture
def site(xnat_site: xnat.Xnat) -> xnat.Xnat:
    """With a project P, a subject S, a session E and a scan 1 of the type T1."""
    xnat_site.make(SCAN, type="T1")
    return xnat_site


@pytest.fixture
def archive(site: xnat.Xnat, tmp_path: Path) -> Archive:
    """That site, and who calls it."""
    return Archive(site, tmp_path)


@pytest.fixture
def ask(site: xnat.Xnat) -> Asker:
    """Asks that site as the one who owns everything there."""
    return Asker(site.url, site.username, site.password)


@pytest.fixture
def faulty() -> Iterator[fault.FaultServer]:
    with fault.start() as server:
        yield server


@pytest.fixture
def forward() -> Iterator[proxy.Proxy]:
    with proxy.start() as server:
        yield server


@pytest.fixture
def fresh() -> str:
    """The name of a folder that no other test uses, for those who share a server."""
    return f"t{next(_numbers)}"


@pytest.fixture
def here(tmp_path: Path) -> Iterator[Path]:
    """An empty folder to mount in."""
    mounting.needs_fuse()
    yield tmp_path
    mounting.clean(tmp_path)


@pytest.fixture
def target(tmp_path: Path) -> Path:
    """A place to receive to: not there yet, in an empty folder."""
    folder = tmp_path / "target"
    folder.mkdir()
    return folder / "file.bin"
