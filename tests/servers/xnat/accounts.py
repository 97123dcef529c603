"""Users, their rights, their sessions and their alias tokens."""

import base64
import binascii
import secrets
import threading
import time
import uuid
from dataclasses import dataclass, field

from tests.servers.xnat.switches import Switches

GUEST = "guest"
FAILURES_UNTIL_LOCKED = 20
LOCKED_FOR = 3600.0
TOKEN_LIFE = 2 * 86400.0
# The rights of each role in a project, after XNAT's groups.
RIGHTS = {
    "owner": {"read", "edit", "delete"},
    "member": {"read", "edit"},
    "collaborator": {"read"},
    "none": set[str](),
}


@dataclass
class User:
    """``role`` applies to every project except those in ``roles``."""

    name: str
    password: str
    role: str = "owner"
    roles: dict[str, str] = field(default_factory=dict)
    expired: bool = False
    """The password must be changed: every request is redirected to that page."""
    failures: int = 0
    locked_until: float = 0.0

    def may(self, right: str, project: str) -> bool:
        return right in RIGHTS[self.roles.get(project, self.role)]


@dataclass
class Session:
    key: str
    user: str
    used: float


class Refused(Exception):
    """The credentials are refused; the status to return."""

    def __init__(self, status: int, reason: str) -> None:
        super().__init__(reason)
        self.status = status


class Accounts:
    """``log_ins`` counts sessions opened with a password, ``refused`` the log-ins that failed."""

    def __init__(self, switches: Switches) -> None:
        self._switches = switches
        self._lock = threading.RLock()
        self._later = 0.0
        self.users: dict[str, User] = {GUEST: User(GUEST, "", "none")}
        self.sessions: dict[str, Session] = {}
        self.tokens: dict[str, tuple[str, str, float]] = {}
        self.log_ins = 0
        self.refused = 0

    def now(self) -> float:
        return time.monotonic() + self._later

    def pass_time(self, seconds: float) -> None:
        """Advance the site's clock."""
        self._later += seconds

    def open_sessions(self, user: str = "") -> int:
        """Number of live sessions of ``user``, or of all except the guest."""
        with self._lock:
            self._forget()
            return sum(one.user == user if user else one.user != GUEST for one in self.sessions.values())

    def enter(self, authorization: str, cookie: str) -> tuple[User, Session | None, bool]:
        """The user, the session, and whether the session is new. Refused if the credentials are wrong.

        After XnatBasicAuthenticationFilter: a live session of the credentials' user is used without checking
        the password; everything else is a log-in.
        """
        with self._lock:
            self._forget()
            session = self.sessions.get(cookie)
            if session:
                session.used = self.now()
            name, password = credentials(authorization)
            if not name:
                if session:
                    return self.users[session.user], session, False
                return self.users[GUEST], None, False
            user = self._known(name, password, session)
            if session and session.user == user.name:
                return user, session, False
            if session:
                del self.sessions[session.key]
            return user, self.open(user), True

    def open(self, user: User) -> Session:
        """A new session, unless the user has reached the limit."""
        with self._lock:
            mine = sum(one.user == user.name for one in self.sessions.values())
            if user.name != GUEST and mine >= self._switches.session_limit:
                self.refused += 1
                raise Refused(401, "Maximum sessions of this user exceeded.")
            session = Session(secrets.token_hex(16).upper(), user.name, self.now())
            self.sessions[session.key] = session
            self.log_ins += user.name != GUEST
            return session

    def end(self, session: Session | None) -> None:
        with self._lock:
            if session:
                self.sessions.pop(session.key, None)

    def issue(self, user: User) -> tuple[str, str, float]:
        """A new alias token: alias, secret, lifetime in seconds."""
        alias, secret = str(uuid.uuid4()), secrets.token_urlsafe(48)
        with self._lock:
            self.tokens[alias] = (secret, user.name, self.now() + TOKEN_LIFE)
        return alias, secret, TOKEN_LIFE

    def invalidate(self, alias: str, secret: str) -> bool:
        with self._lock:
            known = alias in self.tokens and self.tokens[alias][0] == secret
            if known:
                del self.tokens[alias]
            return known

    def log_in(self, name: str, password: str) -> Session:
        """A session for a name and password from a form."""
        with self._lock:
            return self.open(self._known(name, password, None))

    def _known(self, name: str, password: str, session: Session | None) -> User:
        """The user of these credentials; the password is not checked within the user's session."""
        name = name.rpartition("/")[2]  # provider/user
        if name in self.tokens or _is_uuid(name):
            return self._by_token(name, password)
        user = self.users.get(name)
        if user and session and session.user == user.name:
            return user
        if not user or user.name == GUEST or user.locked_until > self.now():
            self.refused += 1
            raise Refused(401, "Login attempt failed. Please try again.")
        if user.password != password:
            self.refused += 1
            user.failures += 1
            if user.failures >= FAILURES_UNTIL_LOCKED:
                user.failures, user.locked_until = 0, self.now() + LOCKED_FOR
            raise Refused(401, "Login attempt failed. Please try again.")
        user.failures = 0
        return user

    def _by_token(self, alias: str, secret: str) -> User:
        known, name, until = self.tokens.get(alias, ("", "", 0.0))
        if known != secret or not known or until < self.now():
            self.refused += 1
            version = tuple(int(one) for one in self._switches.version.split("."))
            raise Refused(403 if version <= (1, 7, 4) else 401, "The alias token is not valid.")
        return self.users[name]

    def _forget(self) -> None:
        oldest = self.now() - self._switches.session_seconds
        for key in [key for key, one in self.sessions.items() if one.used < oldest]:
            del self.sessions[key]


def credentials(authorization: str) -> tuple[str, str]:
    """Name and password of a Basic header (UTF-8); empty for any other."""
    kind, _, value = authorization.partition(" ")
    if kind.lower() != "basic":
        return "", ""
    try:
        name, _, password = base64.b64decode(value).decode(errors="replace").partition(":")
    except binascii.Error:
        return "", ""
    return name, password


def _is_uuid(name: str) -> bool:
    try:
        return str(uuid.UUID(name)) == name.lower()
    except ValueError:
        return False
