"""The scenarios, and the versions of the compared programs."""

import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence

from bench import ablation, http, ssh, xnat
from bench.place import CHECKOUT, Scenario

SCENARIOS: Sequence[Scenario] = (
    *http.SCENARIOS,
    *ssh.SCENARIOS,
    *xnat.SCENARIOS,
    *ablation.SCENARIOS,
)


def tools() -> Mapping[str, str]:
    """The compared programs' versions."""
    commands = {
        "Python": [sys.executable, "--version"],
        "nginx": [shutil.which("nginx", path="/usr/sbin:/usr/bin") or "nginx", "-v"],
        "curl": ["curl", "--version"],
        "wget": ["wget", "--version"],
        "aria2c": ["aria2c", "--version"],
        "rclone": ["rclone", "--config", "", "version"],
        "OpenSSH": ["ssh", "-V"],
        "rsync": ["rsync", "--version"],
    }
    versions = {}
    for name, command in commands.items():
        text = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True).stdout
        words = text.splitlines()[0].replace("/", " ").replace("_", " ").replace(",", " ").split()
        versions[name] = next((word.lstrip("v") for word in words if word.lstrip("v")[:1].isdigit()), "?")
    locked = (CHECKOUT / "requirements-xnat.txt").read_text().splitlines()
    line = next(line for line in locked if line.startswith("xnat=="))
    versions["xnatpy"] = line.split()[0].removeprefix("xnat==")
    return versions
