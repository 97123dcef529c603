"""Mounts remote directories with a program that serves them through FUSE.

The same for every data store: its Remote describes the program, as a Program. It runs in the foreground, in
its own session, and outlives this process. A mount succeeds when /proc/self/mountinfo shows it and its root
can be listed; otherwise everything is undone.
"""

import errno
import json
import os
import pwd
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Any

from connectors import log
from connectors.errors import (
    CannotCreate,
    Exit,
    LocalIOError,
    NotFound,
    RedError,
    TemporaryFailure,
    Unavailable,
)
from connectors.local.files import creating, make_dir, reading
from connectors.local.mountinfo import MARK, Mounted, at, mount_point, processes
from connectors.model import Verb
from connectors.remote import Program, Remote
from connectors.transfer import workers
from connectors.transfer.job import Job
from connectors.transfer.retry import persistently

DEVICE = "/dev/fuse"
LOOK_EVERY = 0.01  # seconds
ANSWERS_WITHIN = 10.0  # seconds after which an existing mount counts as dead
BUSY_FOR = 2.0  # seconds to wait for open files to be closed
UNMOUNTED_WITHIN = 10.0  # seconds
SYS_ADMIN = 1 << 21  # of the capabilities; see capabilities(7)
CONTAINER = (
    "in a container, add to docker run: --device /dev/fuse --cap-add SYS_ADMIN, "
    "and on hosts with AppArmor --security-opt apparmor:unconfined"
)
AS_ROOT = "be root: docker run --user 0"
FAILURES = tuple(code for code in Exit if code != Exit.OK)
RESTRICTED = "--security-opt no-new-privileges (Kubernetes: allowPrivilegeEscalation: false) must not be set"


def check_local(local: str) -> None:
    """Check that this machine can mount, and that ``local`` is a directory or can be created."""
    check_machine()
    path = mount_point(local)
    if at(path):
        return
    if not os.path.isdir(path):
        if os.path.lexists(path):
            raise CannotCreate(f"cannot mount at {local}: it is not a directory")
        if not os.path.isdir(os.path.dirname(path)):
            raise CannotCreate(f"cannot create {local}: there is no directory {os.path.dirname(path)}")


def check_machine() -> None:
    """Raise Unavailable, with a hint, unless this process can mount with FUSE."""
    user = os.geteuid()
    try:
        os.close(os.open(DEVICE, os.O_RDWR | os.O_CLOEXEC))
    except PermissionError as error:
        hint = f"on the host: chmod 666 {DEVICE}; or {AS_ROOT}" if user else CONTAINER
        raise Unavailable(f"user {user} may not use {DEVICE}: {error.strerror}", hint=hint) from None
    except OSError as error:
        hint = f"{CONTAINER}; outside of a container: modprobe fuse"
        raise Unavailable(f"this machine has no FUSE: {DEVICE}: {error.strerror}", hint=hint) from None
    _fusermount()
    with open("/proc/self/status") as file:
        status = dict(line.rstrip("\n").split(":\t", 1) for line in file if ":\t" in line)
    if int(status["CapEff"], 16) & SYS_ADMIN:
        return
    # Otherwise fusermount3, which is setuid root, mounts on behalf of the user.
    if not int(status["CapBnd"], 16) & SYS_ADMIN:
        raise Unavailable("this process may not mount anything: it lacks CAP_SYS_ADMIN", hint=CONTAINER)
    if user == 0 or status.get("NoNewPrivs") == "1":
        raise Unavailable("this process may not mount anything, and may gain no privileges", hint=RESTRICTED)
    try:
        pwd.getpwuid(user)
    except KeyError:
        hint = f"give it one in the image's Dockerfile: RUN useradd --uid {user} red; or {AS_ROOT}"
        raise Unavailable(f"fusermount3 requires that user {user} has a name", hint=hint) from None


def _fusermount() -> str:
    for name in ("fusermount3", "fusermount"):
        if path := shutil.which(name):
            return path
    raise Unavailable("fusermount3 is not installed", hint="install it (Debian: apt-get install fuse3)")


def mount_dir(remote: Remote, job: Job, local: str) -> None:
    """Mount the directory of ``remote`` at ``local``, which is created if necessary.

    Mounting it again is not an error. On failure nothing is mounted, no process is left, and a directory
    created here is removed.
    """
    if remote.file_system is None:
        raise Unavailable(f"{remote.describe()} cannot be mounted")
    workers.run(job, [lambda: persistently(job, lambda: remote.check(Verb.MOUNT_DIR, ""))], 1)
    if os.getpid() == 1:
        log.warning("this container runs only mount-dir: the mount ends now, with the container")
    with creating(local):
        path = mount_point(local)
    with remote.file_system() as program, _directory(path):
        if not _is_there(program, path, local):
            persistently(job, lambda: _mount(program, path, local, job.settings.timeout))


@contextmanager
def _directory(path: str) -> Iterator[None]:
    """Create a directory at ``path``; if the block fails, remove it unless it existed before."""
    made = at(path) is None and not os.path.isdir(path)
    try:
        if made:
            make_dir(path)
        yield
    except BaseException:
        if made:
            with suppress(OSError):
                os.rmdir(path)
        raise


def _is_there(program: Program, path: str, local: str) -> bool:
    """Whether it is already mounted and answers. A mount that does not answer is unmounted."""
    mounted = at(path)
    if mounted is None or not mounted.is_fuse:
        with reading(local):
            hidden = os.listdir(path)
        if hidden:
            log.warning(f"{local} is not empty: its contents are hidden until it is unmounted")
        return False
    if (mounted.kind, mounted.source) != (program.kind, program.source):
        hint = f"umount-dir {local} first, or mount somewhere else"
        raise CannotCreate(f"cannot mount at {local}: {mounted.source} is mounted there", hint=hint)
    if not _trouble(path, ANSWERS_WITHIN):
        if mounted.read_only is not program.read_only:
            how = "read-only" if mounted.read_only else "writable"
            hint = f"umount-dir {local} first"
            raise CannotCreate(f"cannot mount at {local}: it is mounted there already, but {how}", hint=hint)
        log.info(f"{mounted.source} is mounted at {local} already")
        return True
    log.warning(f"{mounted.source} is mounted at {local} already, but does not answer: mounting it again")
    _unmount(path, mounted)
    return False


def _trouble(path: str, seconds: float, process: "subprocess.Popen[bytes] | None" = None) -> str:
    """Why the mount at ``path`` cannot be listed, or its server not reached, within ``seconds``; or "".

    A thread tries it: a call to a file system that hangs cannot be abandoned in any other way.
    """
    trouble = [f"no answer within {max(seconds, 0):g} s"]

    def look() -> None:
        try:
            os.listdir(path)
            _ask_server(path)
            trouble[0] = ""
        except OSError as error:
            trouble[0] = error.strerror or str(error)

    thread = threading.Thread(target=look, daemon=True)
    thread.start()
    deadline = time.monotonic() + seconds
    while thread.is_alive() and time.monotonic() < deadline and (process is None or process.poll() is None):
        thread.join(LOOK_EVERY)
    return trouble[0]


def _ask_server(path: str) -> None:
    """Ask for the size of the file system, which is never cached."""
    try:
        os.statvfs(path)
    except OSError as error:
        if error.errno != errno.EOPNOTSUPP:  # rclone's server lacks this, but it answered
            raise


def _mount(program: Program, path: str, local: str, seconds: float) -> None:
    """Start the program and return once it is mounted; on failure, undo everything."""
    deadline = time.monotonic() + seconds
    trouble = f"not there within {seconds:g} s"
    messages = os.memfd_create("messages", os.MFD_CLOEXEC)  # stays open as the program's stderr
    try:
        process = _start(program, path, messages)
        try:
            while True:
                mounted = at(path)
                if mounted and (mounted.kind, mounted.source) == (program.kind, program.source):
                    trouble = _trouble(path, deadline - time.monotonic(), process)
                    if not trouble:
                        return
                    break
                if process.poll() is not None or time.monotonic() > deadline:
                    break
                time.sleep(LOOK_EVERY)
            said = os.pread(messages, 1 << 16, 0).decode(errors="replace").splitlines()
            if process.poll() is None and not _last_error(said):
                raise TemporaryFailure(f"cannot mount at {local}: {trouble}")
            raise _failure(said, local)
        except BaseException:
            _end(path, process)
            raise
    finally:
        os.close(messages)


def _start(program: Program, path: str, messages: int) -> "subprocess.Popen[bytes]":
    import fcntl

    fcntl.fcntl(messages, fcntl.F_SETFL, os.O_APPEND)
    here = os.path.dirname(sys.executable)
    # Do not pass on our environment: it may contain RED_VAR_… variables, and a mount runs long.
    environment = {"PATH": f"{here}:{os.environ.get('PATH', os.defpath)}", "LANG": "C.UTF-8", MARK: path}
    try:
        return subprocess.Popen(
            [*program.command, path],
            env=environment,
            cwd="/",
            stdin=subprocess.DEVNULL,
            stdout=messages,
            stderr=messages,
            pass_fds=tuple(program.inherited),
            start_new_session=True,
        )
    except OSError as error:
        raise Unavailable(f"cannot run {program.command[0]}: {error.strerror}") from None


def _failure(said: Sequence[str], local: str) -> RedError:
    """The error for a program that failed, from its output."""
    if record := _last_error(said):
        message = f"cannot mount at {local}: {record['message']}"
        code, hint = record["code"], str(record.get("hint", ""))
        if code == Exit.TEMPFAIL:
            return TemporaryFailure(message, hint=hint)
        error = RedError(message, hint=hint)
        error.code = Exit(code)
        return error
    text = "; ".join(line for line in said if line.strip())[-1000:] or "the program ended without a message"
    lower = text.lower()
    if "mount point" in lower or "mountpoint" in lower:  # "bad mount point", "no write access to mountpoint"
        return CannotCreate(f"cannot mount at {local}: {text}")
    if "fuse" in lower or "not permitted" in lower:
        return Unavailable(f"cannot mount at {local}: {text}", hint=CONTAINER)
    return TemporaryFailure(f"cannot mount at {local}: {text}")


def _last_error(lines: Sequence[str]) -> dict[str, Any] | None:
    """The last error record among ``lines`` that has a message and one of our exit codes."""
    for line in reversed(lines):
        with suppress(ValueError):
            record = json.loads(line)
            if isinstance(record, dict) and "message" in record and record.get("code") in FAILURES:
                return record
    return None


def umount_dir(local: str) -> None:
    """Unmount what mount_dir mounted at ``local``, even if its server is gone.

    NotFound if nothing is mounted there. Open files are cut off.
    """
    with reading(local):
        path = mount_point(local)
    mounted = at(path)
    if mounted and not mounted.is_fuse:
        raise NotFound(
            f"no connector has mounted anything at {local}: there is {mounted.source} ({mounted.kind})"
        )
    if mounted:
        _report(path, local)
        _unmount(path, mounted)
    else:
        if not os.path.lexists(path):
            raise NotFound(f"cannot unmount {local}: it does not exist")
        _kill(path)  # of a mount that something else unmounted
        raise NotFound(f"nothing is mounted at {local}")
    _kill(path)


def _report(path: str, local: str) -> None:
    """Report errors since the mount was made; nothing else reports them."""
    for pid in processes(path):
        with suppress(OSError), open(f"/proc/{pid}/fd/2", "rb") as file:
            if record := _last_error(file.read(1 << 20).decode(errors="replace").splitlines()):
                moment, message = record.get("time"), record["message"]
                log.warning(f"the mount at {local} had lost its server, at {moment}: {message}")
                return


def _unmount(path: str, mounted: Mounted) -> None:
    """Unmount ``mounted``: cleanly if that works soon, otherwise by force."""
    deadline = time.monotonic() + BUSY_FOR
    while (refusal := _fusermount_u(path)) and time.monotonic() < deadline and _is_mounted(path, mounted):
        time.sleep(0.1)
    if _is_mounted(path, mounted):
        log.warning(f"{path} is still in use; unmounted anyway ({refusal})")
        _kill(path)  # now nothing waits for it
        _fusermount_u(path, "-z")
    deadline = time.monotonic() + UNMOUNTED_WITHIN
    while _is_mounted(path, mounted):
        if time.monotonic() > deadline:
            raise LocalIOError(f"cannot unmount {path}: {refusal}")
        time.sleep(LOOK_EVERY)
    deadline = time.monotonic() + BUSY_FOR
    while processes(path) and time.monotonic() < deadline:  # they exit on their own
        time.sleep(LOOK_EVERY)


def _is_mounted(path: str, mounted: Mounted) -> bool:
    now = at(path)
    return now is not None and now.id == mounted.id


def _fusermount_u(path: str, *options: str) -> str:
    """Why it failed; "" if it succeeded."""
    command = [_fusermount(), "-u", *options, "--", path]
    try:
        result = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, timeout=BUSY_FOR)
    except subprocess.TimeoutExpired:
        return "no answer"
    return result.stderr.decode(errors="replace").strip() or "refused" if result.returncode else ""


def _kill(path: str) -> None:
    """Kill all processes of a mount at ``path``. Data not yet sent is lost."""
    deadline = time.monotonic() + UNMOUNTED_WITHIN
    while (found := processes(path)) and time.monotonic() < deadline:
        for pid in found:
            with suppress(ProcessLookupError, PermissionError):  # fusermount3 runs as root and exits
                os.kill(pid, signal.SIGKILL)
        time.sleep(LOOK_EVERY)


def _end(path: str, process: "subprocess.Popen[bytes]") -> None:
    """Undo _start and the mount, if there is one."""
    process.kill()
    process.wait()
    _kill(path)
    if (mounted := at(path)) and mounted.is_fuse:
        _fusermount_u(path, "-z")
        deadline = time.monotonic() + UNMOUNTED_WITHIN
        while _is_mounted(path, mounted) and time.monotonic() < deadline:
            time.sleep(LOOK_EVERY)
