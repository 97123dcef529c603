"""Run a connector as users do: the executable, in its own process.

Every run checks the unconditional promises: no traceback, never exit code 70, no secret on stdout or stderr
in any encoding, and an empty stdout unless it carries the result.
"""

import base64
import contextlib
import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import quote, quote_plus

from tests.servers import PASSWORD

CHECKOUT = Path(__file__).resolve().parents[2]
TOKEN = "t0ken-6f1c9a7e5b"
PRESIGNED = "Sig-9c4e1f0a7d"
SECRETS = (PASSWORD, TOKEN, PRESIGNED)
PRINTING = ("cli-version", "--help", "help", "--version", "version", "list", "schema", "example")
PRINTING += ("ssh-key", "completion")


class Result(NamedTuple):
    code: int
    stdout: str
    stderr: str
    seconds: float

    @property
    def log(self) -> list[dict[str, Any]]:
        """Output of RED_LOG=json; fails if a line is not a JSON object."""
        lines = [json.loads(line) for line in self.stderr.splitlines()]
        assert all(isinstance(line, dict) for line in lines), self.stderr
        return lines


def environment(extra: Mapping[str, str] | None = None) -> dict[str, str]:
    """A clean environment with this Python first on PATH, updated with ``extra``."""
    path = os.pathsep.join([os.path.dirname(sys.executable), "/usr/local/bin:/usr/bin:/bin"])
    return {"PATH": path, "LANG": "C.UTF-8", "RED_TIMEOUT": "20", "RED_RETRIES": "1", **(extra or {})}


def command(executable: str, *arguments: object) -> list[str]:
    """The command line; dicts and lists among the arguments become temporary JSON files."""
    words = [str(CHECKOUT / "bin" / executable)]
    for one in arguments:
        if isinstance(one, dict | list):
            with tempfile.NamedTemporaryFile("w", prefix="red-test-", suffix=".json", delete=False) as file:
                json.dump(one, file)
            words.append(file.name)
        else:
            words.append(str(one))
    return words


def run(
    executable: str,
    *arguments: object,
    env: Mapping[str, str] | None = None,
    timeout: float = 60,
    cwd: Path | None = None,
    stdin: str = "",
    umask: int = -1,
) -> Result:
    """Run to the end. ``arguments`` as for command(); ``timeout`` in seconds."""
    process = start(executable, *arguments, env=env, cwd=cwd, stdin=True, umask=umask)
    begun = time.monotonic()
    try:
        out, err = process.communicate(stdin.encode(), timeout)
    except subprocess.TimeoutExpired:
        process.kill()
        raise
    result = Result(process.returncode, out.decode(), err.decode(errors="replace"), time.monotonic() - begun)
    check(result, [str(one) for one in arguments])
    return result


def start(
    executable: str,
    *arguments: object,
    env: Mapping[str, str] | None = None,
    cwd: Path | None = None,
    stdin: bool = False,
    umask: int = -1,
) -> "subprocess.Popen[bytes]":
    """Start it without waiting; ``arguments`` as for command()."""
    return subprocess.Popen(
        command(executable, *arguments),
        env=environment(env),
        cwd=cwd,
        stdin=subprocess.PIPE if stdin else subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        umask=umask,
    )


def check(result: Result, arguments: Sequence[str] = ()) -> None:
    """Check the unconditional promises; AssertionError if one is broken."""
    assert result.code != 70, f"exit code 70: {result.stderr}"
    assert "Traceback" not in result.stderr, result.stderr
    if not any(word in PRINTING for word in arguments):
        assert result.stdout == "", f"stdout is not empty: {result.stdout}"
    if result.code in range(64, 79):
        assert result.stderr.strip(), f"exit code {result.code} and not a word why"
    for found in leaks(result.stdout + result.stderr):
        raise AssertionError(f"a secret leaked as {found!r}: {result.stderr}")


def leaks(text: str) -> list[str]:
    """The forms of this module's secrets that occur in ``text``."""
    forms = set()
    for secret in SECRETS:
        raw = secret.encode()
        forms |= {secret, quote(secret), quote(secret, safe=""), quote_plus(secret), json.dumps(secret)[1:-1]}
        forms |= {
            base64.b64encode(raw).decode().rstrip("="),
            base64.urlsafe_b64encode(raw).decode().rstrip("="),
        }
        # in base64 of "user:password" the password is at one of three offsets
        for offset in (1, 2):
            encoded = base64.b64encode(b"x" * offset + raw).decode().rstrip("=")
            forms.add(encoded[4:-2])
    return sorted(form for form in forms if form in text)


def peak(process: "subprocess.Popen[bytes]", *codes: int) -> float:
    """Its peak memory in MiB, once it has exited with one of ``codes`` (0)."""
    return peak_and_words(process, *codes)[0]


def peak_and_words(process: "subprocess.Popen[bytes]", *codes: int) -> tuple[float, str]:
    """Its peak memory in MiB and its output, once it has exited with one of ``codes``."""
    most = 0

    def watch() -> None:
        nonlocal most
        while process.poll() is None:
            with contextlib.suppress(OSError, IndexError, ValueError):
                status = Path(f"/proc/{process.pid}/status").read_text()
                most = int(status.partition("VmHWM:")[2].split()[0])
            time.sleep(0.005)

    watching = threading.Thread(target=watch)
    watching.start()
    _, said = process.communicate()
    watching.join()
    assert process.returncode in (codes or (0,)), said[:1000]
    assert most
    return most / 1024, said.decode()
