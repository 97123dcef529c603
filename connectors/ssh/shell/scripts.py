"""Large trees through the server's shell: one command that lists them, one that streams what is in them.

By SFTP a server answers four requests for each small file, and formats a line for each name that it
lists. find and tar do the same in a fraction of the time. All this is a short cut: where there is no
shell, or its find or tar are not GNU's, or anything looks odd, ``Unusable`` is raised, or less comes than
was asked for, and the way through SFTP does the rest. So it is where the shell may see other files
than SFTP: see connectors.ssh.shell.proof.

Nothing of what comes from outside stands in a command: the names are read from standard input.
"""

import os
import re
import stat
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from queue import Empty, SimpleQueue
from typing import IO, TYPE_CHECKING, Any

from connectors.errors import NotAuthenticated, RedError
from connectors.net import waiting
from connectors.ssh.sftp import wire
from connectors.ssh.sftp.conversation import Sftp, sender
from connectors.ssh.sftp.flow import LOOK_EVERY
from connectors.ssh.sftp.wire import Attributes, string
from connectors.ssh.shell import proof, tar_format
from connectors.ssh.shell.proof import SAME_FOLDER, Unusable

if TYPE_CHECKING:
    from connectors.ssh.login.ssh_session import Session

MANY = 300
"""Files: with fewer, starting a shell takes longer than it saves."""

BEGIN = rf"""
IFS= read -r d && read -r n && read -r e && cd -- "$d" && {SAME_FOLDER}
"""
FIND = rf"""
{BEGIN} && exec find . -printf "%y %m %s %T@ %U %P\0"
"""
# 64 KiB at once (-b 128): what a pipe holds, so that tar and sshd wake each other up less often.
# An archive for each batch of names, and behind it a block that tells whether tar was content with it.
READ = rf"""
{BEGIN} || exit 1;
while read -r n; do
head -c "$n" | tar -c -b 128 -f - --format=gnu --dereference --hard-dereference --null -T -;
printf "\0%-511s" "red $?";
done
"""
# Into a hidden folder $s of $d; looked at; and only then moved, each file and folder in one step. If anything
# ends it, a connection that is lost included (tar meets the end of its input), $s is removed.
# The folder $p that SFTP has made goes first, also if we end before we have said so ($u).
WRITE = r"""
IFS= read -r d && IFS= read -r s && IFS= read -r p && cd -- "$d" || exit 1;
read -r u || sleep 1; rmdir -- "$p" && [ "$u" ] && umask "$u" || exit 1;
d=$(pwd -P && echo x) && d=${d%?x} && rm -rf -- "$s" && mkdir -- "$s" && cd -- "$s" || exit 1;
tar -x -m -b 128 -f - --no-same-owner --no-same-permissions && cd new &&
find . -type f -printf "%s %P\0" | LC_ALL=C sort -z | cmp -s - ../sizes &&
find . -mindepth 1 -maxdepth 1 -exec mv -n -t ../.. -- {} + && cd .. && rmdir new;
r=$?;
cd ..; cd -- "$d"; rm -rf -- "$s"; exit $r
"""
WIDEN_AFTER = 1 << 20  # bytes of the channel's window that have been used up
LONGEST_LINE = 1 << 16  # bytes that find has to say of one file
TOGETHER = 1 << 18  # bytes that are handed over at once
IN_MEMORY = 8 << 20  # bytes of what find says
MOST_NAMES = 10_000_000  # in a tree; a find that shows more may never end
KINDS = {
    b"f": stat.S_IFREG,
    b"d": stat.S_IFDIR,
    b"l": stat.S_IFLNK,
    b"p": stat.S_IFIFO,
    b"s": stat.S_IFSOCK,
    b"b": stat.S_IFBLK,
    b"c": stat.S_IFCHR,
}
RECORDS = re.compile(rb"(?:[fdlpsbc] [0-7]{1,4} \d{1,18} -?\d{1,12}\.\d+ \d{1,10} [^\0]*\0)*+")


class _Command:
    """A command that runs on the server."""

    def __init__(self, session: "Session", talk: Sftp, script: str) -> None:
        from connectors.ssh.transport import fast_packets  # paramiko is Session's to import, while it waits

        self._talk = talk
        self._job = job = talk.job
        self._seconds = session.timeout
        self._heard: SimpleQueue[bytes] = SimpleQueue()
        self._arrived = self._taken = 0  # bytes; the first is counted by the thread that receives them
        self._allowed = self._window = fast_packets.ORDINARY_WINDOW  # bytes that may arrive, and wait
        self._widen = fast_packets.widen
        self._is_deaf = self._is_flooded = False
        try:
            self._channel: Any = session.channel(streaming=True)
            self._delivered = fast_packets.deliver(self._channel, self._hear)
            try:
                waiting.for_answer(lambda: self._start(script), job, self._seconds, "no command was started")
            except BaseException:
                self.close()
                raise
        except NotAuthenticated:  # on the way to a new connection: never to be tried again
            raise
        except (RedError, OSError, EOFError) as error:
            raise Unusable from error
        self._channel.settimeout(LOOK_EVERY)
        self._send = sender(self._channel)

    def _start(self, script: str) -> None:
        from paramiko.ssh_exception import SSHException

        try:
            # One word in single quotes, in one line (for csh), is the same for every log-in shell. What the
            # tools complain of nobody reads.
            self._channel.exec_command(f"exec sh -c 'exec 2>/dev/null; {' '.join(script.split())}'")
        except SSHException as error:
            raise Unusable from error

    def say(self, *parts: bytes) -> None:
        """Into its standard input."""
        for part in parts:
            rest = memoryview(part)
            while rest:
                with self._talk.watched():
                    sent = self._patiently(lambda rest=rest: self._send(self._channel, rest))
                if not sent:
                    raise Unusable
                rest = rest[sent:]

    def end(self) -> None:
        """Of its standard input; may be told twice."""
        self._channel.shutdown_write()

    def hear(self) -> Iterator[bytes]:
        """Its standard output, as it comes; Unusable if it did not succeed."""
        while data := self._patiently(self._next_heard if self._delivered else self._received):
            yield data
        if self._is_flooded or self._patiently(self._status):
            raise Unusable

    def _received(self) -> bytes:
        return bytes(self._channel.recv(TOGETHER))

    def _hear(self, data: memoryview) -> None:
        """What comes, in the thread that receives it. After its end nothing is kept, nor of a server that
        sends more than its window: it would fill the memory."""
        self._arrived += len(data)
        if self._is_deaf:
            return
        self._is_flooded = self._arrived > self._allowed
        self._is_deaf = self._is_flooded or not data
        self._heard.put(b"" if self._is_flooded else bytes(data))

    def _next_heard(self) -> bytes:
        used = self._taken + self._window - self._allowed
        if used > WIDEN_AFTER:
            self._allowed += used
            with self._talk.watched():
                self._widen(self._channel, used)
        try:
            data = self._heard.get(timeout=LOOK_EVERY)
        except Empty:
            if self._channel.closed and self._heard.empty():  # without having told of its end
                return b""
            raise TimeoutError from None
        self._taken += len(data)
        return data

    def _status(self) -> int:
        deadline = time.monotonic() + LOOK_EVERY
        while not self._channel.exit_status_ready():  # it comes right behind the output, or never
            if time.monotonic() > deadline:
                raise TimeoutError
            time.sleep(0.001)
        return int(self._channel.recv_exit_status())

    def _patiently(self, step: Any) -> Any:
        """What ``step`` returns, as soon as it does not time out."""
        waited = 0.0
        while True:
            self._job.check_cancelled()
            try:
                return step()
            except TimeoutError:
                waited += LOOK_EVERY
                if waited > self._seconds:
                    raise Unusable from None
            except (OSError, EOFError) as error:
                raise Unusable from error

    def close(self) -> None:
        self._is_deaf = True  # whatever still comes
        with suppress(OSError, EOFError), self._talk.watched():
            self._channel.close()


@contextmanager
def _running(session: "Session", talk: Sftp, script: str) -> Iterator[_Command]:
    command = _Command(session, talk, script)
    try:
        yield command
    finally:
        command.close()


@contextmanager
def _removed(talk: Sftp, folder: bytes) -> Iterator[None]:
    """The shell removes ``folder`` (a string of SFTP); SFTP does if anything goes wrong."""
    try:
        yield
    except BaseException:
        talk.remove([folder], wire.RMDIR)
        raise


def find(
    session: "Session", talk: Sftp, root: bytes, shown: Mapping[str, Attributes]
) -> Iterator[tuple[str, Attributes]]:
    """All that is below ``root`` (absolute), each folder before what is in it. Links are not followed.

    It must have all that SFTP has ``shown``, some of the tree, and in just the same way. Before anything is
    given, find has ended well; what it said is on disk if it is long.
    """
    from tempfile import SpooledTemporaryFile  # 5 ms, for large trees only

    begin = _begin(talk, root)  # before a shell is started: not every server is to see one
    with ExitStack() as stack:
        spool: IO[bytes] = stack.enter_context(SpooledTemporaryFile(IN_MEMORY))
        try:
            with _running(session, talk, FIND) as command:
                command.say(begin)
                command.end()
                for records in _checked(command.hear(), shown):
                    spool.write(records)
        except OSError as error:  # no room
            raise Unusable from error
        spool.seek(0)
        stack.pop_all()
    return _records(spool)


def _checked(chunks: Iterable[bytes], shown: Mapping[str, Attributes]) -> Iterator[bytes]:
    """What find says, in whole records; Unusable if that is anything else, or not all that is ``shown``."""
    missing = {os.fsencode(path): here for path, here in shown.items()}
    count, rest = 0, b""
    for chunk in chunks:
        whole, end, rest = (rest + chunk).rpartition(b"\0")
        records = whole.split(b"\0") if end else []
        if not RECORDS.fullmatch(whole + end) or len(rest) > LONGEST_LINE:
            raise Unusable
        if records and not count and not records[0].endswith(b" "):  # it begins with the folder itself
            raise Unusable
        count += len(records)
        if count > MOST_NAMES:
            raise Unusable
        for record in records if missing else ():
            here = missing.pop(record.split(b" ", 5)[5], None)
            if here and here != _found(record)[1]:
                raise Unusable
        yield whole + end
    if rest or missing or not count:
        raise Unusable


def _records(spool: IO[bytes]) -> Iterator[tuple[str, Attributes]]:
    with spool:
        rest = b""
        while chunk := spool.read(TOGETHER):
            *records, rest = (rest + chunk).split(b"\0")
            for record in records:
                path, here = _found(record)
                if path:
                    yield path, here


def _found(record: bytes) -> tuple[str, Attributes]:
    kind, mode, size, modified, owner, path = record.split(b" ", 5)
    bits = KINDS.get(kind, 0) | int(mode, 8)
    return os.fsdecode(path), Attributes(int(size), int(owner), bits, int(modified.partition(b".")[0]))


def read(
    session: "Session", talk: Sftp, root: bytes, batches: Iterable[Sequence[bytes]]
) -> Iterator[list[tuple[bytes, bytes]]]:
    """Name and content of the files below ``root`` (absolute) that each of the ``batches`` names.

    Nothing is known of a batch before tar has ended: it tells of a file that has changed under its hands
    only then. Where it is not content the batch is empty.
    """
    begin = _begin(talk, root)
    with _running(session, talk, READ) as command:
        todo = iter(batches)
        asked: list[int] = []  # how many files, of each batch that has not come yet

        def ask() -> None:
            batch = next(todo, ())
            if batch:
                names = b"".join(name + b"\0" for name in batch)
                asked.append(len(batch))
                command.say(b"%d\n" % len(names), names)
            else:
                command.end()

        command.say(begin)
        ask()
        ask()  # so that the server need not wait for us
        batch: list[tuple[bytes, bytes]] = []
        try:
            for name, content in tar_format.members(command.hear()):
                if name:
                    if not asked or len(batch) == asked[0]:
                        raise Unusable  # more than was asked for
                    batch.append((name, content))
                    continue
                yield batch if content == b"0" else []
                batch = []
                del asked[:1]
                ask()
        except tar_format.Malformed:
            raise Unusable from None


def _begin(talk: Sftp, root: bytes) -> bytes:
    """What BEGIN reads."""
    if b"\n" in root:
        raise Unusable
    return root + b"\n" + proof.facts(talk, root)


def write(
    session: "Session",
    talk: Sftp,
    folder: bytes,
    staging: bytes,
    files: Iterable[tuple[bytes, int, bytes | None]],
) -> None:
    """Make in ``folder`` (absolute) what ``files`` says: path, mode and content, None for a folder.

    The umask of SFTP's server is taken from all modes. What is outermost in ``files`` must not be there yet.
    Until all is complete it is in the hidden folder ``staging``. If this raises, only whole files are there.
    """
    if b"\n" in folder + staging:
        raise Unusable
    name = proof.secret_name()
    with _running(session, talk, WRITE) as command, _removed(talk, string(os.path.join(folder, name))):
        command.say(b"%b\n%b\n%b\n" % (folder, staging, name))
        command.say(b"%o\n" % proof.make(talk, os.path.join(folder, name)))
        sizes: list[bytes] = []
        pieces: list[bytes] = []
        gathered = 0
        for path, mode, content in files:
            pieces += tar_format.member(b"new/" + path, mode, content)
            gathered += tar_format.BLOCK + len(content or b"")
            if content is not None:
                sizes.append(b"%d %b\0" % (len(content), path))
            if gathered > TOGETHER:
                command.say(b"".join(pieces))
                pieces, gathered = [], 0
        pieces += tar_format.member(b"sizes", 0o600, b"".join(sorted(sizes)))
        command.say(b"".join(pieces), tar_format.END)
        command.end()
        for _ in command.hear():
            pass
