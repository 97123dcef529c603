"""The examples run as they stand, against real servers and a real container engine."""

import os
import re
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import yaml

from tests.servers import PASSWORD, USERNAME, bridge
from tests.servers.nginx import Nginx
from tests.support import engine, require
from tests.support.program import CHECKOUT

EXAMPLES = CHECKOUT / "examples"
PLANETS = EXAMPLES / "data" / "planets.csv"


@pytest.fixture(scope="module")
def server() -> Iterator[bridge.Bridge]:
    engine.image()
    with require.running("nginx", bridge.start) as running:
        running.place("planets.csv", PLANETS.read_bytes())
        yield running


@pytest.fixture
def examples(server: bridge.Bridge, tmp_path: Path) -> Path:
    """A copy of the examples whose documents lead to our server."""
    folder = tmp_path / "examples"
    shutil.copytree(EXAMPLES, folder)
    for document in (folder / "access").iterdir():
        text = document.read_text().replace("https://data.example.org", server.url)
        document.write_text(text.replace("username: alice", f"username: {USERNAME}"))
        document.chmod(0o644)
    for parent in (folder / "access", folder, *folder.parents):
        if str(parent).startswith("/tmp/"):  # pytest closes its folders to other users
            parent.chmod(0o755)
    return folder


def compose(folder: Path, *words: str, password: str = PASSWORD) -> "subprocess.CompletedProcess[str]":
    """Compose as a plugin of Docker, or the program that it was before."""
    program = ["docker", "compose"]
    if engine.sh(*program, "version").returncode:
        program = ["docker-compose"]
        if not shutil.which(*program):
            require.missing("compose", "neither docker compose nor docker-compose is installed")
    line = ["env", f"RED_VAR_password={password}", *program, "-p", "red-test", "-f", folder / "compose.yml"]
    return engine.sh(*line, *words)


@pytest.fixture
def composed(examples: Path) -> Iterator[Path]:
    yield examples
    compose(examples, "down", "--volumes")


def test_compose_receives_computes_and_sends(composed: Path, server: bridge.Bridge) -> None:
    result = compose(composed, "up")
    assert result.returncode == 0, result.stdout + result.stderr
    sent = server.root / "results" / "lines.txt"
    assert sent.read_text() == f"{len(PLANETS.read_text().splitlines())}\n"
    sent.unlink()


def test_compose_computes_nothing_if_receiving_failed(composed: Path, server: bridge.Bridge) -> None:
    result = compose(composed, "up", password="wrong")
    assert result.returncode != 0
    assert not (server.root / "results" / "lines.txt").exists()


def test_compose_takes_up_no_service_before_the_one_it_needs() -> None:
    services = yaml.safe_load((EXAMPLES / "compose.yml").read_text())["services"]
    needed = {name: service.get("depends_on", {}) for name, service in services.items()}
    done = {"condition": "service_completed_successfully"}
    assert needed == {"receive": {}, "compute": {"receive": done}, "send": {"compute": done}}


@pytest.fixture(scope="module")
def experiment(server: bridge.Bridge) -> Iterator[str]:
    """The image of the example experiment."""
    name = "red-connectors-test-example"
    folder = EXAMPLES / "experiment"
    result = engine.sh("docker", "build", "--network", "host", "--tag", name, folder, timeout=600)
    assert result.returncode == 0, result.stdout + result.stderr
    yield name
    engine.sh("docker", "rmi", "--no-prune", name)


def test_an_experiment_made_from_the_image_receives_computes_and_sends(
    experiment: str, examples: Path, server: bridge.Bridge
) -> None:
    script = (
        "receive-file /access/in.yml planets.csv && mean planets.csv {} && send-file /access/out.yml mean.txt"
    )
    column = PLANETS.read_text().partition("\n")[0].split(",")[1]
    options = ["-v", f"{examples / 'access'}:/access:ro", "-e", f"RED_VAR_password={PASSWORD}"]
    script = script.replace("receive-file", "red-connectors receive-file").replace(
        "send-file", "red-connectors send-file"
    )
    result = engine.sh("docker", "run", "--rm", *options, experiment, "sh", "-c", script.format(column))
    assert result.returncode == 0, result.stderr
    sent = server.root / "results" / "lines.txt"
    rows = [float(line.split(",")[1]) for line in PLANETS.read_text().splitlines()[1:]]
    assert float(sent.read_text()) == pytest.approx(sum(rows) / len(rows), rel=1e-3)
    sent.unlink()


def test_an_experiment_may_bring_a_python_of_its_own(experiment: str) -> None:
    """The connectors keep theirs: their libraries are built for it."""
    script = (
        "printf '#!/bin/sh\\nexit 3\\n' > python3 && chmod +x python3 && PATH=/data:$PATH red-connectors list"
    )
    result = engine.sh("docker", "run", "--rm", experiment, "sh", "-c", script)
    assert (result.returncode, result.stderr) == (0, "")


@pytest.mark.parametrize(
    ("script", "said"),
    [
        ("id -u; id -g", "1000 1000"),
        (". /etc/os-release; echo $VERSION_CODENAME", "trixie"),
        ("getent passwd 1000 || echo nobody", "nobody"),
        ("echo $PATH", "/opt/red-connectors/bin:"),
        ("readlink /bin/sh", "dash"),
        ("command -v fusermount3", "/usr/bin/fusermount3"),
        ("env -u PATH /usr/bin/env python3 -c 'import sys; print(sys.prefix)'", "/usr"),
        ("touch /opt/red-connectors/x 2>/dev/null || echo read-only", "read-only"),
        ("pwd; touch here && echo writable", "/data writable"),
        ("command -v red-connectors python3 sh apt-get sshfs", "/opt/red-connectors/bin/red-connectors"),
        ("python3 -c 'import sys; print(sys.version_info >= (3, 11))'", "True"),
        ("python3 -c 'import yaml' 2>/dev/null || echo no libraries of ours", "no libraries of ours"),
        ("ls /etc/ssl/certs/ca-certificates.crt", "/etc/ssl/certs/ca-certificates.crt"),
        ("red-connector-ssh cli-version", "1"),
    ],
)
def test_what_the_documentation_promises_to_derived_images_holds(
    experiment: str, script: str, said: str
) -> None:
    result = engine.sh("docker", "run", "--rm", experiment, "sh", "-euc", script)
    assert result.returncode == 0, result.stderr
    assert " ".join(result.stdout.split()).startswith(said)


README = (CHECKOUT / "README.md").read_text()
MOONS = b"planet,moons\nEarth,1\nMars,2\n"
DOCKER = """\
#!/bin/sh
# docker, with the option by which a container reaches our server and Debian's
case $1 in
run | build) command=$1; shift; exec {docker} "$command" --network host "$@" ;;
esac
exec {docker} "$@"
"""


@pytest.fixture
def newcomer(tmp_path: Path) -> Callable[..., "subprocess.CompletedProcess[str]"]:
    """Runs a shell script as somebody would who has pasted it, in a folder of their own with our examples."""
    docker = shutil.which("docker")
    shutil.copytree(EXAMPLES, tmp_path / "home" / "examples")
    programs = tmp_path / "programs"
    programs.mkdir()
    (programs / "docker").write_text(DOCKER.format(docker=docker))
    (programs / "make").write_text("#!/bin/sh\n")  # the image is there
    for program in programs.iterdir():
        program.chmod(0o755)

    def run(script: str, typed: str = "") -> "subprocess.CompletedProcess[str]":
        env = {"PATH": f"{programs}:/usr/local/bin:/usr/bin:/bin", "LANG": "C.UTF-8"}
        return subprocess.run(
            ["bash", "-euc", script],
            cwd=tmp_path / "home",
            env=env,
            input=typed,
            capture_output=True,
            text=True,
            timeout=300,
        )

    return run


def section(begin: str, end: str) -> str:
    return README[README.index(f"\n## {begin}\n") : README.index(f"\n## {end}\n")]


def blocks(text: str, *languages: str) -> list[str]:
    return re.findall(rf"^```(?:{'|'.join(languages)})\n(.*?)^```", text, re.MULTILINE | re.DOTALL)


def test_the_first_hour_as_the_readme_tells_it(
    newcomer: Callable[..., "subprocess.CompletedProcess[str]"], web: Nginx, fresh: str, tmp_path: Path
) -> None:
    engine.image()
    for name, content in (("data.csv", b"b,2\na,1\n"), ("moons.csv", MOONS), ("raw/b.csv", b"b")):
        web.place(f"{fresh}/files/{name}", content)
    (web.root / fresh / "results").mkdir()
    text = section("Receive a file", "In a RED experiment")
    for name, content in re.findall(r"`([\w.]+)`[^`]*:\n\n```(?:yaml|json)\n(.*?)^```", text, re.M | re.S):
        content = content.replace("https://example.com", f"{web.basic}/{fresh}").replace("alice", USERNAME)
        (tmp_path / "home" / name).write_text(content)
    assert {file.name for file in (tmp_path / "home").iterdir()} == {
        "examples", "in.yml", "out.yml", "folder.yml", "listing.json",
    }  # fmt: skip
    result = newcomer("\n".join(blocks(text, "sh", "bash")), typed=f"{PASSWORD}\n")
    assert result.returncode == 0, result.stderr
    assert "warning" not in result.stderr
    home = tmp_path / "home"
    assert (home / "data.csv").read_bytes() == b"b,2\na,1\n"
    assert (web.root / fresh / "results" / "result.csv").read_bytes() == b"a,1\nb,2\n"
    assert (home / "files" / "raw" / "b.csv").read_bytes() == b"b"
    assert "red-connector-ssh" in (home / "ssh.yml").read_text()
    assert (home / "data.csv").stat().st_uid == os.getuid()


def test_both_pages_show_the_dockerfile_of_the_example() -> None:
    dockerfile = (EXAMPLES / "experiment" / "Dockerfile").read_text()
    for page in ("README.md", "docs/experiments.md"):
        assert blocks((CHECKOUT / page).read_text(), "dockerfile") == [dockerfile]


def test_the_readme_builds_and_runs_the_example(
    newcomer: Callable[..., "subprocess.CompletedProcess[str]"],
) -> None:
    engine.image()
    text = section("In a RED experiment", "In Kubernetes and Compose")
    result = newcomer("\n".join(blocks(text, "sh")))
    assert result.returncode == 0, result.stdout + result.stderr
    moons = [int(line.rpartition(",")[2]) for line in PLANETS.read_text().splitlines()[1:]]
    assert float(result.stdout.split()[-1]) == pytest.approx(sum(moons) / len(moons), rel=1e-3)
    engine.sh("docker", "rmi", "--no-prune", "my-experiment")
