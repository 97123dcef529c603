"""Logging in with the one password or the one key that the access document has, and with nothing else.

RFC 4252; keyboard-interactive is RFC 4256. No agent, no key that lies about, no second try.
"""

import re
import threading
import time
from collections.abc import Callable, Sequence
from typing import Any

import paramiko  # see hop.py
from paramiko.auth_handler import AuthHandler
from paramiko.ssh_exception import BadAuthenticationType, PartialAuthentication

from connectors.errors import NotAuthenticated, ProtocolViolation, RedError, TemporaryFailure
from connectors.net import waiting
from connectors.ssh import ssh_failures
from connectors.ssh.login.destination import Login
from connectors.ssh.login.greeting import Notes
from connectors.ssh.transport import corrections
from connectors.transfer.job import Job

Attempt = Callable[[AuthHandler, threading.Event], None]

NO_MORE_METHODS = "14"  # SSH_DISCONNECT_NO_MORE_AUTH_METHODS_AVAILABLE
LONGEST_PROMPT = 200  # characters
MOST_SAID = 10  # texts
FAREWELL_WITHIN = 1.0  # seconds: for what was under way when the server hung up
EXPIRED = re.compile(r"pass\w* (has |is )?expired|(must|required to) change (your |the )?pass", re.IGNORECASE)
FOR_NEW = re.compile(
    r"\bnew (\w+ )?pass|current (\w+ )?pass|\(current\)|\bre-?(type|enter)|\bchang(e|ing)\b", re.IGNORECASE
)
"""How servers tell that the password has to be changed, and how they ask for another one."""

Prompts = Sequence[tuple[str, bool]]


class LogIn:
    """One attempt to log in on a transport whose host key has been accepted; ``place`` names it to people."""

    def __init__(
        self,
        transport: paramiko.Transport,
        notes: Notes,
        login: Login,
        place: str,
        job: Job,
        seconds: float,
    ) -> None:
        self._transport = transport
        self._notes = notes
        self._login = login
        self._who = f"{place} as {login.username}"
        self._job = job
        self._seconds = seconds
        self._begun = time.monotonic()

    def with_key(self, key: paramiko.PKey) -> None:
        """Sign with ``key``, once. NotAuthenticated if it is refused, TemporaryFailure for no answer."""
        user = self._login.username
        self._require("publickey", lambda handler, event: handler.auth_publickey(user, key, event))

    def with_password(self) -> None:
        """Show the password, once; by keyboard-interactive where the server wants it in no other way.

        What it wants is asked first: a password sent by a method that is not offered is written down
        as a failed log-in by the server, and five of those can shut out the whole machine.
        """
        user = self._login.username
        password: Any = self._login.password.encode("utf-8", "surrogateescape")  # declared as str; takes both
        refusal = self._ask(lambda handler, event: handler.auth_none(user, event))
        if refusal is None:
            return
        allowed = _allowed(refusal)
        if "password" in allowed or not allowed:
            self._require("password", lambda handler, event: handler.auth_password(user, password, event))
        elif "keyboard-interactive" in allowed:
            answer: Any = _Answer(password, self._who)
            self._require(
                "password", lambda handler, event: handler.auth_interactive(user, answer, event), answer.said
            )
        else:
            raise self._not_offered("password", allowed)

    def _require(self, what: str, attempt: Attempt, said: Sequence[str] = ()) -> None:
        """Make the attempt, which must be enough; ``said`` is what the server has told us by then."""
        refusal = self._ask(attempt)
        if refusal is None:
            return
        if isinstance(refusal, PartialAuthentication):
            further = ", ".join(refusal.allowed_types)
            raise NotAuthenticated(
                f"cannot log in to {self._who}: the {_name(what)} is right, but {further} is required too",
                hint="log-in in two steps is not supported: ask for an account that needs only one",
            )
        allowed = _allowed(refusal)
        if allowed:
            raise self._not_offered(what, allowed)
        words = _quoted(*said)
        raise NotAuthenticated(
            f"cannot log in to {self._who}: the server refuses the {_name(what)}{words and f': {words}'}",
            hint="check username and password"
            if what == "password"
            else "check username and privateKey; is its public key in the server's authorized_keys?",
        )

    def _not_offered(self, what: str, allowed: Sequence[str]) -> RedError:
        instead = "privateKey" if what == "password" else "password"
        offered = (
            "publickey" in allowed
            if what == "password"
            else {"password", "keyboard-interactive"} & {*allowed}
        )
        return NotAuthenticated(
            f"cannot log in to {self._who}: the server does not accept a {_name(what)}, "
            f"only {', '.join(allowed)}",
            hint=f"use {instead}" if offered else "ask the server's administrator for another way to log in",
        )

    def _ask(self, attempt: Attempt) -> Exception | None:
        """None if the log-in succeeded; otherwise the refusal. Raises anything else."""
        answered = threading.Event()
        self._transport.auth_handler = handler = corrections.log_in_handler(self._transport)
        with ssh_failures.translating(self._who):
            try:
                attempt(handler, answered)
            except EOFError:  # the server has hung up; if with a reason, paramiko's thread reads it and ends
                self._transport.join(FAREWELL_WITHIN)
                if self._transport.is_alive():
                    raise
                answered.set()
        complaint = f"{self._who}: no answer to the log-in"
        waiting.for_event(answered, self._job, self._seconds, complaint, since=self._begun)
        if self._transport.is_authenticated():
            return None
        error = self._transport.get_exception()
        if self._notes.refused or (error is None and self._transport.is_active()):
            return NotAuthenticated("")
        if isinstance(error, BadAuthenticationType | PartialAuthentication):
            return error
        raise self._broken_off(error, handler)

    def _broken_off(self, error: Exception | None, handler: AuthHandler) -> RedError:
        """Neither yes nor no: the conversation has ended."""
        code, farewell = self._notes.farewell
        if code == NO_MORE_METHODS or "authentication failures" in farewell:
            return NotAuthenticated(
                f"cannot log in to {self._who}: {farewell}", hint="check username and password"
            )
        if farewell:
            return TemporaryFailure(f"cannot log in to {self._who}: the server disconnected: {farewell}")
        if error is None or isinstance(error, EOFError):
            closed = f"cannot log in to {self._who}: the server closed the connection"
            banner: Any = handler.banner  # declared as str, is bytes
            if words := _quoted(banner.decode("utf-8", "replace")) if banner else "":
                # So says OpenSSH that PAM turns the account away.
                return NotAuthenticated(f"{closed}: {words}", hint="may this account log in there?")
            return TemporaryFailure(closed, hint="may this account log in there? The server's log says why")
        if "Illegal info request" in str(error):  # the same number as SSH_MSG_USERAUTH_PASSWD_CHANGEREQ
            return NotAuthenticated(f"cannot log in to {self._who}: the password must be changed first")
        found = ssh_failures.of_exception(error, f"cannot log in to {self._who}")
        return found or ProtocolViolation(f"cannot log in to {self._who}: {type(error).__name__}")


class _Answer:
    """Answers one prompt for the password, once; never another prompt or one for a new password.

    ``said`` is the titles and instructions that the server sent.
    """

    def __init__(self, password: bytes, who: str) -> None:
        self.said: list[str] = []
        self._password: bytes | None = password
        self._who = who

    def __call__(self, title: str, instructions: str, prompts: Prompts) -> list[bytes]:
        told = [text for text in (_quoted(title), _quoted(instructions)) if text]
        self.said = [*self.said, *told][-MOST_SAID:]
        if not prompts:
            return []
        password, self._password = self._password, None
        questions = [_quoted(prompt) for prompt, _ in prompts[:3]]
        is_expired = any(map(EXPIRED.search, (*self.said, *questions))) or any(map(FOR_NEW.search, questions))
        is_shown = prompts[0][1]  # while it is typed: no password is meant
        if password is None or len(prompts) > 1 or is_shown or is_expired:
            asked = ", ".join(map(repr, (*self.said, *questions)))
            raise NotAuthenticated(
                f"cannot log in to {self._who}: the server asks for {asked}",
                hint="log in there with ssh to change the password"
                if is_expired
                else "only one password prompt is answered: is the password right, or is more required?",
            )
        return [password]


def _quoted(*texts: str) -> str:
    """The server's text on one line, at most LONGEST_PROMPT characters."""
    return " ".join(" ".join(texts).split())[:LONGEST_PROMPT]


def _allowed(refusal: Exception) -> list[str]:
    return list(getattr(refusal, "allowed_types", []))


def _name(what: str) -> str:
    return "key" if what == "publickey" else "password"
