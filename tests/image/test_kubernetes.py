"""The Kubernetes example: valid, as restricted as can be, and its Pod runs for real under podman."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from connectors.errors import Exit
from tests.servers import PASSWORD
from tests.servers.nginx import Nginx
from tests.support import podman
from tests.support.program import CHECKOUT

MANIFEST = CHECKOUT / "examples" / "kubernetes" / "job.yaml"
DATA = CHECKOUT / "examples" / "data" / "planets.csv"
VERSIONS = ["1.31", "1.34", "1.37"]


def documents() -> dict[str, dict[str, Any]]:
    """The manifest's documents by name of their kind and their own."""
    return {
        f"{one['kind']}/{one['metadata']['name']}": one for one in yaml.safe_load_all(MANIFEST.read_text())
    }


def pod() -> dict[str, Any]:
    template: dict[str, Any] = documents()["Job/planets"]["spec"]["template"]
    return template


@pytest.mark.parametrize("version", VERSIONS)
def test_the_manifest_is_valid(version: str) -> None:
    program = Path(sys.executable).with_name("kubernetes-validate")
    command = [program, "--strict", "-k", version, MANIFEST]
    result = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert result.returncode == 0, result.stdout + result.stderr
    assert result.stdout.count("passed") == 3


def test_the_pod_keeps_to_the_restricted_profile() -> None:
    """Pod Security Standards, https://kubernetes.io/docs/concepts/security/pod-security-standards/#restricted."""
    spec = pod()["spec"]
    assert spec["securityContext"]["runAsNonRoot"] is True
    assert spec["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    assert all("secret" in volume or "emptyDir" in volume for volume in spec["volumes"])
    for container in spec["initContainers"] + spec["containers"]:
        context = container["securityContext"]
        assert context["allowPrivilegeEscalation"] is False
        assert context["readOnlyRootFilesystem"] is True
        assert context["capabilities"] == {"drop": ["ALL"]}


def test_the_exit_codes_that_end_the_job_are_those_that_another_try_cannot_change() -> None:
    job = documents()["Job/planets"]["spec"]
    rules = {
        rule["action"]: set(rule["onExitCodes"]["values"])
        for rule in job["podFailurePolicy"]["rules"]
        if "onExitCodes" in rule
    }
    assert rules["Count"] == {Exit.TEMPFAIL}
    # A full disk may be another node's problem; what a signal ended was not the connector's fault.
    left = {Exit.OK, Exit.TEMPFAIL, Exit.IOERR, Exit.INTERRUPTED, Exit.TERMINATED}
    assert rules["FailJob"] == set(Exit) - left
    assert job["template"]["spec"]["restartPolicy"] == "Never"  # or else Kubernetes refuses the policy


class Run:
    """One run of the example's Pod; ``play`` is what podman said to it."""

    def __init__(self, folder: Path) -> None:
        self.file = folder / "pod.yaml"
        self.play = podman.podman("kube", "play", "--network", "host", self.file)

    def logs(self, container: str) -> str:
        result = podman.podman("logs", f"planets-{container}")
        return result.stdout + result.stderr

    def wait(self, container: str) -> int:
        """The container's exit code, when it has ended."""
        return int(podman.podman("wait", f"planets-{container}").stdout)


@pytest.fixture
def run(web: Nginx, fresh: str, tmp_path: Path) -> Iterator[Any]:
    """Runs the Pod against a real server, with the password given."""
    image = podman.image()
    web.place(f"{fresh}/planets.csv", DATA.read_bytes())
    runs = []

    def start(password: str) -> Run:
        secrets = {
            name: documents()[f"Secret/{name}"]["stringData"]
            for name in ("planets-access", "planets-variables")
        }
        document = secrets["planets-access"]["receive.yml"]
        secrets["planets-access"]["receive.yml"] = document.replace(
            "https://data.example.org", f"{web.basic}/{fresh}"
        )
        secrets["planets-variables"]["password"] = password
        one = pod()
        for volume in one["spec"]["volumes"]:
            # podman 4.3 takes no stringData and does not decode data: the same files come from a folder.
            if "secret" in volume:
                name = volume.pop("secret")["secretName"]
                folder = tmp_path / name
                folder.mkdir()
                folder.chmod(0o755)
                for key, value in secrets[name].items():
                    (folder / key).write_text(value)
                volume["hostPath"] = {"path": str(folder), "type": "Directory"}
        for container in one["spec"]["initContainers"] + one["spec"]["containers"]:
            assert container["image"] == image
        (tmp_path / "pod.yaml").write_text(yaml.safe_dump({"apiVersion": "v1", "kind": "Pod", **one}))
        runs.append(Run(tmp_path))
        return runs[-1]

    # The parents of pytest's folder are closed to other users, and the Pod runs as one.
    for parent in (tmp_path, *tmp_path.parents):
        if parent.stat().st_mode & 0o005 != 0o005 and str(parent).startswith("/tmp/"):
            parent.chmod(0o755)
    podman.podman("pod", "rm", "--force", "planets")
    podman.podman("volume", "rm", "--force", "data")
    yield start
    for one in runs:
        podman.podman("kube", "down", one.file)
    podman.podman("volume", "rm", "--force", "data")


def test_the_pod_receives_the_file_and_the_next_container_finds_it(run: Any) -> None:
    one = run(PASSWORD)
    assert one.play.returncode == 0, one.play.stderr + one.logs("receive")
    assert one.wait("compute") == 0
    assert one.logs("compute") == f"{len(DATA.read_text().splitlines())} planets.csv\n"


def test_a_wrong_password_ends_the_pod_with_a_code_that_ends_the_job(run: Any) -> None:
    one = run("wrong")
    assert f"exited with code {Exit.NOPERM:d}" in one.play.stderr
    assert "hint:" in one.logs("receive")
