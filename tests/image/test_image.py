"""The image in a real engine: what it holds, as whom it runs, and that files move through it."""

import json
import os
import re
import shutil
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

import connectors
from connectors import registry
from tests.servers import PASSWORD, USERNAME
from tests.servers.fault import FaultServer, Reply
from tests.servers.nginx import Nginx
from tests.support import engine
from tests.support.program import CHECKOUT

RESTRICTED = ["--read-only", "--cap-drop", "ALL", "--security-opt", "no-new-privileges"]
USERS = ["1000:1000", "1000:0", "12345:0", "54321:54321", "0:0"]
EXECUTABLES = [registry.FRONT_DOOR, *registry.MODULES]


@pytest.fixture(scope="module", autouse=True)
def _image() -> None:
    engine.image()


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    """A folder that every user may write to, to be mounted."""
    folder = tmp_path / "data"
    folder.mkdir()
    folder.chmod(0o777)
    yield folder
    shutil.rmtree(folder)


def test_the_labels_tell_what_it_is_and_the_version_is_the_programs() -> None:
    labels = engine.config()["Config"]["Labels"]
    assert labels["org.opencontainers.image.title"] == "red-connectors"
    assert labels["org.opencontainers.image.licenses"] == "Apache-2.0"
    assert labels["org.opencontainers.image.version"] == connectors.__version__
    assert "data store" in labels["org.opencontainers.image.description"]
    assert engine.run("--version").stdout.split()[-1] == connectors.__version__


def test_the_version_is_also_a_tag() -> None:
    assert f"red-connectors:{connectors.__version__}" in engine.config()["RepoTags"]


def test_it_is_small() -> None:
    """Debian with Python takes 120 MB, libcurl and cryptography 16 each, sshfs 5."""
    assert engine.config()["Size"] < 175_000_000


def test_the_user_is_a_number_and_not_root() -> None:
    """Kubernetes' runAsNonRoot believes numbers only."""
    user = engine.config()["Config"]["User"]
    assert re.fullmatch(r"[1-9][0-9]*(:[0-9]+)?", user)
    assert engine.shell("id -u").strip() == user.partition(":")[0]


@pytest.mark.parametrize("executable", [*EXECUTABLES, "python3", "sh"])
def test_every_executable_is_on_the_path(executable: str) -> None:
    engine.shell(f"command -v {executable}")


@pytest.mark.parametrize("executable", EXECUTABLES)
@pytest.mark.parametrize("user", USERS)
def test_cli_version_is_one_line_for_every_user_on_a_read_only_system(executable: str, user: str) -> None:
    result = engine.run(executable, "cli-version", options=[*RESTRICTED, "--user", user])
    assert (result.returncode, result.stdout, result.stderr) == (0, "1\n", "")


def test_the_restricted_run_has_no_home_no_passwd_entry_and_nowhere_to_write() -> None:
    """That is, the tests with RESTRICTED and user 54321 test what they should."""
    script = "getent passwd $(id -u) || echo nobody; touch /tmp/x /data/x /opt/x 2>/dev/null || echo nowhere"
    assert engine.shell(script, [*RESTRICTED, "--user", "54321:54321"]) == "nobody\nnowhere\n"


def test_without_arguments_the_usage_is_on_stderr_and_the_code_64() -> None:
    result = engine.run()
    assert (result.returncode, result.stdout) == (64, "")
    assert "usage" in result.stderr.lower()


@pytest.mark.parametrize("option", ["--help", "--version"])
def test_help_and_version_succeed(option: str) -> None:
    result = engine.run(option)
    assert (result.returncode, result.stderr) == (0, "")
    assert result.stdout


def test_other_programs_are_run_as_they_are() -> None:
    result = engine.run("sh", "-c", 'echo "$0"; exit 7', "a  b")
    assert (result.returncode, result.stdout) == (7, "a  b\n")
    result = engine.run("/bin/sh", stdin="echo from stdin; exit 5\n")
    assert (result.returncode, result.stdout) == (5, "from stdin\n")
    result = engine.run(
        "python3", "-", stdin="import http.client, ssl, sqlite3; print(ssl.OPENSSL_VERSION)\n"
    )
    assert (result.returncode, result.stderr) == (0, "")


def test_everything_of_ours_is_below_one_folder_and_the_licence_is_in_it() -> None:
    found = engine.shell(
        "ls /opt; ls /opt/red-connectors; ls /usr/local/bin /usr/local/lib/python3*/*-packages"
    )
    opt, rest = found.split("\n", 1)
    assert opt == "red-connectors"
    for name in ("LICENSE", "bin", "connectors", "entrypoint.sh", "lib", "requirements.txt"):
        assert name in rest.split()
    for package in ("pycurl", "yaml", "cerberus"):
        found = engine.shell(f"find / -xdev -name {package} -type d 2>/dev/null || :")
        assert found.startswith("/opt/red-connectors/")


def test_the_folder_works_in_another_image_without_this_ones_environment() -> None:
    script = "env -i PATH=/usr/bin:/bin /opt/red-connectors/bin/red-connector-http cli-version"
    assert engine.shell(script) == "1\n"


def test_nothing_is_world_writable_but_the_sticky_folders_of_every_debian() -> None:
    found = engine.shell("find / -xdev -perm -0002 ! -type l ! -type c", ["--user", "0:0"]).split()
    assert set(found) <= {"/tmp", "/var/tmp", "/run/lock"}
    assert engine.shell("find /opt /data -perm -0002 ! -type l", ["--user", "0:0"]) == ""


def test_our_files_belong_to_root_and_group_0_may_read_them() -> None:
    assert (
        engine.shell("find /opt ! -user 0 -o ! -group 0 -o ! -type l ! -perm -0050 -type d -o ! -perm -0040")
        == ""
    )
    assert engine.shell("find /opt ! -type l -perm /0022") == ""


def test_every_module_is_compiled_since_a_read_only_container_cannot() -> None:
    script = r"""
import pathlib
for place in (pathlib.Path("/opt/red-connectors"), *pathlib.Path("/usr/lib").glob("python3*")):
    for source in place.rglob("*.py"):
        if not list((source.parent / "__pycache__").glob(source.stem + ".*.pyc")):
            print(source)
"""
    assert engine.run("python3", "-c", script).stdout == ""


def test_our_compiled_modules_are_taken_as_they_are() -> None:
    """Flags 1 in the header, PEP 552: never checked, so that a changed time stamp costs nothing."""
    script = r"""
import pathlib
for compiled in pathlib.Path("/opt/red-connectors").rglob("*.pyc"):
    if compiled.read_bytes()[4:8] != bytes([1, 0, 0, 0]):
        print(compiled)
"""
    assert engine.run("python3", "-c", script).stdout == ""


def test_sshfs_is_there_and_works_without_opensshs_client() -> None:
    assert "SSHFS version" in engine.shell("sshfs --version")
    assert engine.shell("command -v ssh || ls /usr/lib/openssh 2>/dev/null || :") == ""
    assert engine.shell("ls /usr/share/doc/sshfs") == "copyright\n"


def test_there_is_neither_pip_nor_a_compiler_nor_what_apt_left() -> None:
    assert engine.shell("for p in pip pip3 gcc cc g++ make curl wget; do command -v $p || :; done") == ""
    assert engine.run("python3", "-m", "pip", "--version").returncode != 0
    left = "find /var/lib/apt/lists /var/cache/apt /var/log /tmp /opt/red-connectors/lib/bin -type f -size +0"
    assert engine.shell(left + " 2>/dev/null || :", ["--user", "0:0"]) == ""


def test_no_authority_of_the_building_machine_is_inside() -> None:
    """The bundle is exactly what the image's own package makes of its own certificates."""
    ours = engine.shell("cat /etc/ssl/certs/ca-certificates.crt")
    packaged = engine.shell("cat /usr/share/ca-certificates/*/*.crt")
    end = "-----END CERTIFICATE-----"

    def certificates(text: str) -> set[str]:
        return {"".join(one.split()) for one in text.split(end) if one.strip()}

    assert certificates(ours) <= certificates(packaged)
    assert len(certificates(ours)) > 50
    assert engine.shell("find /usr/local/share/ca-certificates /opt -name '*.crt' -o -name ca -type d") == ""
    private = [file for file in (CHECKOUT / "image" / "ca").glob("*.crt") if file.stat().st_size < 10_000]
    for file in private:
        assert not certificates(file.read_text()) & certificates(ours), file.name


def test_terminating_it_as_process_1_takes_no_time_and_gives_143(faulty: FaultServer, folder: Path) -> None:
    """Without a handler, process 1 ignores SIGTERM, and the engine kills it after ten seconds."""
    url = faulty.on("/slow", Reply(b"x" * 1_000_000, stall=500_000))
    (folder / "in.yml").write_text(f"url: {url}\n")
    name = f"red-test-{os.getpid()}"
    options = ["--name", name, "--network", "host", *engine.me(), "-v", f"{folder}:/data"]
    words = ["http", "receive-file", "in.yml", "out.bin"]
    process = subprocess.Popen(["docker", "run", *options, engine.image(), *words], stderr=subprocess.DEVNULL)
    try:
        deadline = time.monotonic() + 20
        while not [file for file in folder.iterdir() if file.name not in ("in.yml", "out.bin")]:
            assert process.poll() is None
            assert time.monotonic() < deadline, "the transfer did not begin"
            time.sleep(0.05)
        begun = time.monotonic()
        engine.sh("docker", "stop", "--time", "10", name)
        seconds = time.monotonic() - begun
        assert process.wait(10) == 143
        assert seconds < 5
        assert not (folder / "out.bin").exists()
    finally:
        process.kill()
        engine.sh("docker", "rm", "--force", name)


def test_a_file_is_received_as_the_readme_shows_it(web: Nginx, folder: Path, fresh: str) -> None:
    web.place(f"{fresh}/data.csv", b"a,b\n1,2\n")
    (folder / "in.yml").write_text(document(f"{web.basic}/{fresh}/data.csv"))
    options = [
        "--network",
        "host",
        *engine.me(),
        "-v",
        f"{folder}:/data",
        "-e",
        f"RED_VAR_password={PASSWORD}",
    ]
    result = engine.run("receive-file", "in.yml", "out.csv", options=options)
    assert (result.returncode, result.stdout) == (0, ""), result.stderr
    assert (folder / "out.csv").read_bytes() == b"a,b\n1,2\n"
    assert (folder / "out.csv").stat().st_uid == os.getuid()


LOST = "is not on a volume: it will be deleted with this container"


def test_a_forgotten_volume_is_warned_of(web: Nginx, fresh: str, folder: Path) -> None:
    web.place(f"{fresh}/d/a.txt", b"a")
    for words, at in (
        (["http", "receive-file", "-", "x.csv"], "/data"),
        (["http", "receive-file", "-", "/tmp/x.csv"], "/tmp"),
        (["http", "receive-dir", "-", "d"], "/data"),
        (["http", "receive-dir", "-", "/data/"], "/data"),
    ):
        url = f"{web.plain}/{fresh}/d/" + ("a.txt" if "receive-file" in words else "")
        options = ["--network", "host"]
        result = engine.run(*words, options=options, stdin=f"url: {url}\n")
        assert (result.returncode, result.stdout) == (0, "")
        (line,) = result.stderr.splitlines()
        assert f"warning: {words[-1].rstrip('/')} {LOST}" in line
        assert 'docker run -v "$PWD:/data"' in line
        assert line.endswith(", and write to x.csv") == (at != "/data")
        for mount in (["-v", f"{folder}:{at}"], ["--mount", f"type=tmpfs,destination={at},tmpfs-mode=1777"]):
            result = engine.run(*words, options=[*options, "--user", "0", *mount], stdin=f"url: {url}\n")
            assert (result.returncode, result.stderr) == (0, "")


def test_a_document_of_the_host_is_not_found_and_the_mount_is_named(folder: Path) -> None:
    result = engine.run("receive-file", "in.yml", "x.csv")
    assert result.returncode == 78
    assert 'mount a folder with docker run -v "$PWD:/data"' in result.stderr
    result = engine.run("receive-file", folder / "in.yml", "x.csv")
    assert result.returncode == 78
    assert f"docker run -v {folder}:/data" in result.stderr
    result = engine.run("receive-file", "in.yml", "x.csv", options=["-v", f"{folder}:/data"])
    assert "is it in the folder that is mounted at /data?" in result.stderr


@pytest.mark.parametrize("user", USERS)
def test_files_move_both_ways_under_any_user_on_a_read_only_system(
    user: str, web: Nginx, folder: Path, fresh: str
) -> None:
    web.place(f"{fresh}/data.bin", bytes(range(256)) * 1000)
    (folder / "in.yml").write_text(document(f"{web.basic}/{fresh}/data.bin"))
    (folder / "out.yml").write_text(
        document(f"{web.basic}/{fresh}/back.bin").replace("auth:", "method: PUT\n  auth:")
    )
    (folder / "secrets").mkdir()
    (folder / "secrets" / "password").write_text(PASSWORD + "\n")
    options = ["--network", "host", *RESTRICTED, "--user", user]
    options += ["-v", f"{folder}:/data", "-v", f"{folder}/secrets:/run/secrets/red:ro"]
    for words in (["receive-file", "in.yml", "data.bin"], ["send-file", "out.yml", "data.bin"]):
        result = engine.run(*words, options=options)
        assert (result.returncode, result.stdout) == (0, ""), result.stderr
    assert (web.root / fresh / "back.bin").read_bytes() == bytes(range(256)) * 1000


def test_directories_move_both_ways_on_a_read_only_system(web: Nginx, folder: Path, fresh: str) -> None:
    for name in ("a.txt", "sub/b.txt"):
        web.place(f"{fresh}/dir/{name}", name.encode())
    (folder / "in.yml").write_text(document(f"{web.basic}/{fresh}/dir"))
    (folder / "out.yml").write_text(document(f"{web.basic}/{fresh}/back"))
    listing = [
        {"class": "File", "basename": "a.txt", "size": 5},
        {"class": "Directory", "basename": "sub", "listing": [{"class": "File", "basename": "b.txt"}]},
    ]
    (folder / "listing.json").write_text(json.dumps(listing))
    options = ["--network", "host", *RESTRICTED, "--user", "54321:0", "-v", f"{folder}:/data"]
    options += ["-e", f"RED_VAR_password={PASSWORD}"]
    result = engine.run("receive-dir", "in.yml", "dir", "--listing=listing.json", options=options)
    assert result.returncode == 0, result.stderr
    assert (folder / "dir/sub/b.txt").read_text() == "sub/b.txt"
    result = engine.run("send-dir", "out.yml", "dir", "--listing=listing.json", options=options)
    assert result.returncode == 0, result.stderr
    assert (web.root / fresh / "back/sub/b.txt").read_text() == "sub/b.txt"


def test_https_works_with_a_mounted_authority_and_not_without(web: Nginx, folder: Path, fresh: str) -> None:
    web.place(f"{fresh}/data.csv", b"secure\n")
    (folder / "in.yml").write_text(
        f"{{command: red-connector-http, access: {{url: '{web.tls}/{fresh}/data.csv'}}}}"
    )
    shutil.copy(web.pki.ca, folder / "ca.pem")
    (folder / "ca.pem").chmod(0o644)
    options = ["--network", "host", *RESTRICTED, "--user", "54321:0", "-v", f"{folder}:/data"]
    assert engine.run("receive-file", "in.yml", "out.csv", options=options).returncode == 76
    options += ["-e", "RED_CA_BUNDLE=/data/ca.pem"]
    result = engine.run("receive-file", "in.yml", "out.csv", options=options)
    assert result.returncode == 0, result.stderr
    assert (folder / "out.csv").read_bytes() == b"secure\n"


def test_the_systems_authorities_are_trusted_where_debian_keeps_them(
    web: Nginx, folder: Path, fresh: str
) -> None:
    """libcurl comes in a wheel built on another distribution, whose bundle is elsewhere."""
    web.place(f"{fresh}/data.csv", b"secure\n")
    (folder / "in.yml").write_text(f"{{url: '{web.tls}/{fresh}/data.csv'}}\n")
    options = ["--network", "host", *engine.me(), "-v", f"{folder}:/data"]
    options += ["-v", f"{web.pki.ca}:/etc/ssl/certs/ca-certificates.crt:ro"]
    result = engine.run("http", "receive-file", "in.yml", "out.csv", options=options)
    assert result.returncode == 0, result.stderr


def test_building_again_takes_everything_from_the_cache() -> None:
    def build() -> str:
        result = engine.sh("make", "image")
        assert result.returncode == 0, result.stderr
        inspected = json.loads(engine.sh("docker", "image", "inspect", engine.IMAGE).stdout)
        return str(inspected[0]["Id"])

    first = build()
    begun = time.monotonic()
    assert build() == first
    assert time.monotonic() - begun < 15


def document(url: str) -> str:
    """An access document whose password is a variable."""
    return (
        "command: red-connector-http\n"
        "access:\n"
        f"  url: {url}\n"
        f"  auth: {{method: basic, username: {USERNAME}, password: '{{{{password}}}}'}}\n"
    )


def test_a_name_server_that_does_not_answer_takes_no_longer_than_the_time_limit(folder: Path) -> None:
    """libcurl's resolver would wait for its own 10 s, and libcurl for its resolver."""
    (folder / "resolv.conf").write_text("nameserver 127.0.0.153\n")
    (folder / "in.json").write_text(json.dumps({"url": "http://name.example/x", "method": "GET"}))
    script = """
import socket, subprocess, sys, time
silent = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
silent.bind(("127.0.0.153", 53))
begun = time.monotonic()
ended = subprocess.run(["red-connector-http", "receive-file-validate", "in.json"], stderr=subprocess.PIPE)
sys.stderr.write(ended.stderr.decode())
print(ended.returncode, time.monotonic() - begun < 4)
"""
    mounts = ["-v", f"{folder}:/data", "-v", f"{folder}/resolv.conf:/etc/resolv.conf:ro"]
    limits = ["-e", "RED_TIMEOUT=1", "-e", "RED_RETRIES=0", "--user", "0:0"]
    result = engine.run("python3", "-", options=[*mounts, *limits], stdin=script)
    assert result.stdout.split() == ["75", "True"], result.stderr
    assert "no name server answered within 1 s" in result.stderr
