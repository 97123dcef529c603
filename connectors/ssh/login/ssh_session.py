"""A conversation with one server, perhaps through another one: reached, recognized, logged in."""

import re
import threading
from typing import TYPE_CHECKING, Any

from connectors import imports
from connectors.errors import NotPermitted, ProtocolViolation, TemporaryFailure
from connectors.net import waiting
from connectors.net.dial import dial
from connectors.ssh.login.destination import Place, Server
from connectors.ssh.login.host_keys import AnotherKey, HostKeys, Refused, name_of
from connectors.transfer.job import Cancelled, Job

if TYPE_CHECKING:
    import paramiko

    from connectors.ssh.login.hop import Hop

SYSTEM_LOG_IN = re.compile(r"SSH-2\.0-(OpenSSH_\d|dropbear)")
"""How servers introduce themselves whose users are accounts of a Unix system: not "OpenSSH_for_Windows"."""


class Session:
    """Opens itself again after it was cut. All methods may be called from several threads."""

    def __init__(self, place: Place, job: Job) -> None:
        self._place = place
        self._job = job
        self._lock = threading.Lock()
        self._hops: list[Hop] = []
        self._host_keys: HostKeys | None = None
        self._keys: dict[Server, tuple[str, paramiko.PKey]] = {}
        """The text of each private key, and the key: a document may have a path, and the file may go."""

    @property
    def host(self) -> str:
        """The server itself, for people."""
        return name_of(self._place.server)

    @property
    def user(self) -> str:
        """Who logs in there."""
        return self._place.server.login.username

    @property
    def has_system_accounts(self) -> bool:
        """Whether the server introduces itself as one whose users are accounts of a Unix system.

        Elsewhere users may be the server's own, and root the owner of what all of them write.
        """
        transport = self.transport
        return bool(transport and SYSTEM_LOG_IN.match(transport.remote_version))

    @property
    def timeout(self) -> float:
        """Seconds for which the server may be silent: the document's timeout, or RED_TIMEOUT."""
        return self._limit(self._place.timeout)

    @property
    def transport(self) -> "paramiko.Transport | None":
        """The one to the server itself, once logged in and until it is cut or closed."""
        hops = self._hops
        whole = len(hops) == (2 if self._place.jump else 1)
        return hops[-1].transport if whole and hops[-1].transport.is_authenticated() else None

    def open(self) -> None:
        """Reach the server and log in, unless that is done. Raises the errors of connectors.errors only."""
        with self._lock:
            self._open()

    def channel(self, *, streaming: bool = False) -> "paramiko.Channel":
        """A new session channel on which nothing is started; the errors are those of open().

        With ``streaming``, the server waits when what it sends is not read.
        """
        with self._lock:
            hop = self._open()
        return hop.session_channel(self.timeout, streaming)

    def sftp_channel(self) -> "paramiko.Channel":
        """A channel on which the sftp subsystem runs; NotPermitted where the server has none.

        The other errors are those of open(). Where the server does not answer, the connection is given up.
        """
        try:
            channel = self.channel()
            waiting.for_answer(
                lambda: self._start_sftp(channel), self._job, self.timeout, f"{self.host}: SFTP did not start"
            )
        except (TemporaryFailure, Cancelled):
            self.close()  # it would not answer the next attempt either; and the thread that asks is set free
            raise
        return channel

    def _start_sftp(self, channel: "paramiko.Channel") -> None:
        from paramiko.ssh_exception import SSHException

        from connectors.ssh import ssh_failures

        with ssh_failures.translating(self.host):
            try:
                channel.invoke_subsystem("sftp")
            except SSHException as error:
                transport = channel.get_transport()
                transport.join(waiting.LOOK_EVERY)  # if the connection is lost, its channels are closed first
                if not transport.is_active():
                    raise
                hint = "it needs a line 'Subsystem sftp …' in its sshd_config"
                raise NotPermitted(f"{self.host}: the server does not offer SFTP", hint=hint) from error

    def pinned(self) -> Place:
        """The place with all that it takes to log in again later, and elsewhere: the host keys that were
        shown, and private keys themselves where the document has the path of a file. Opens if need be."""
        with self._lock:
            self._open()
            servers = list[Server]()
            for hop in self._hops:
                shown = hop.transport.get_remote_server_key()
                login = hop.server.login
                if hop.server in self._keys:
                    login = login._replace(private_key=self._keys[hop.server][0])
                line = f"{shown.get_name()} {shown.get_base64()}"
                servers.append(hop.server._replace(host_key=line, login=login))
        return self._place._replace(server=servers[-1], jump=servers[0] if servers[1:] else None)

    def close(self) -> None:
        """Hang up at once, whatever is going on."""
        hops, self._hops = self._hops, []
        for hop in reversed(hops):
            hop.close()

    def _open(self) -> "Hop":
        self._job.check_cancelled()
        if self.transport:
            return self._hops[-1]
        self.close()
        if self._host_keys is None:
            self._host_keys = HostKeys(self._job.settings)
        try:
            if self._place.jump:
                self._add_hop(self._place.jump, self._host_keys, "jump host")
            return self._add_hop(self._place.server, self._host_keys)
        except BaseException:
            self.close()
            raise

    def _add_hop(self, server: Server, host_keys: HostKeys, role: str = "") -> "Hop":
        """Log in to ``server``, through the hop before it if there is one.

        A server may have several keys, and a fingerprint does not tell of which type its key is: they are
        asked for one after the other, each in a conversation of its own.
        """
        before = self._hops[-1] if self._hops else None
        mistaken: AnotherKey | None = None
        unwanted: list[str] = []
        while True:
            try:
                hop = self._reached(server, before, role)
                hop.shake_hands(host_keys, unwanted, self._place.ciphers, self._handshake_limits())
                break
            except AnotherKey as error:
                mistaken = mistaken or error
                unwanted.append(error.kind)
                self._hops.pop().close()
            except ProtocolViolation as error:
                if mistaken and not isinstance(error, Refused):  # it has no more keys to show
                    raise mistaken from None
                raise
        hop.log_in(self._key_of(server), self._limit(self._place.auth_timeout))
        return hop

    def _reached(self, server: Server, before: "Hop | None", role: str) -> "Hop":
        limit = self.timeout
        sock: Any = (
            before.forwarded(server, limit)
            if before
            else dial(server.host, server.port, self._job, limit, role)
        )
        try:
            imports.import_paramiko()  # 90 ms, in which the server makes ready
            self._key_of(server)  # a key that is none is found out before the server is disturbed
            from connectors.ssh.login.hop import Hop

            hop = Hop(server, sock, self._job, role)
        except BaseException:
            sock.close()
            raise
        self._hops.append(hop)
        return hop

    def _key_of(self, server: Server) -> "paramiko.PKey | None":
        login = server.login
        if not login.private_key:
            return None
        if server not in self._keys:
            from connectors.ssh.login import keys

            place = "jump.auth.privateKey" if server is self._place.jump else "privateKey"
            place += f" (for {name_of(server)})"
            try:
                text = keys.text(login.private_key)
            except keys.Unusable:
                text = login.private_key  # load() says what is wrong with it
            self._keys[server] = text, keys.load(text, login.passphrase, place)
        return self._keys[server][1]

    def _handshake_limits(self) -> tuple[float, float]:
        """Seconds until the server introduces itself, and from then on until keys are agreed on."""
        return self._limit(self._place.banner_timeout), self.timeout

    def _limit(self, seconds: float | None) -> float:
        return self._job.settings.timeout if seconds is None else seconds
