"""Everything except the archive: sessions, tokens, the version, the data model, pages."""

import json
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import parse_qs

from tests.servers.xnat.accounts import GUEST, Accounts, Refused
from tests.servers.xnat.exchange import Answer, Exchange, Failed, as_json, page, table
from tests.servers.xnat.files import Files
from tests.servers.xnat.switches import Switches

LOG_IN_PAGE = "app/template/Login.vm"
EXPIRED_PAGE = "app/template/XDATScreen_UpdateUser.vm"
SCHEMA = Path(__file__).with_name("model.xsd")


class Site:
    """Handles requests outside the archive; None for unknown ones."""

    def __init__(self, accounts: Accounts, files: Files, switches: Switches) -> None:
        self._accounts = accounts
        self._files = files
        self._switches = switches

    def answer(self, exchange: Exchange) -> Answer | None:
        path = "/".join(one for one in exchange.segments if one)
        if path == LOG_IN_PAGE:
            return page(200, "Please log in.", "XNAT Login")
        if path == EXPIRED_PAGE:
            return page(200, "Your password has expired. Please choose a new one.", "Change password")
        if path == "":
            return page(200, "Welcome to XNAT.", "XNAT")
        area, _, rest = path.partition("/")
        if area == "xapi":
            return self._xapi(rest)
        if area not in ("data", "REST"):
            return None
        if rest == "JSESSION":
            return self._session(exchange)
        if rest == "auth":
            return Answer(f"User '{exchange.user.name}' is logged in".encode())
        if rest == "search/elements":
            return table([], exchange, ["ELEMENT_NAME"])
        if rest == "services/refresh/catalog" and exchange.method == "POST":
            return self._files.refresh(exchange)
        if rest.startswith("services/tokens/"):
            return self._tokens(exchange, rest.split("/")[2:])
        return None

    def _session(self, exchange: Exchange) -> Answer:
        if exchange.method == "DELETE":
            self._accounts.end(exchange.session)
            return Answer()
        return Answer(exchange.session.key.encode() if exchange.session else b"")

    def log_in(self, body: bytes) -> str:
        """The session that ``/data/services/auth`` opens for a name and password in a form."""
        form = {key: values[0] for key, values in parse_qs(body.decode()).items()}
        try:
            return self._accounts.log_in(form.get("username", ""), form.get("password", "")).key
        except Refused as error:
            raise Failed(error.status, str(error)) from None

    def _tokens(self, exchange: Exchange, words: list[str]) -> Answer:
        if exchange.user.name == GUEST:
            raise Failed(403, "Guests have no tokens.")
        if words == ["issue"]:
            alias, secret, life = self._accounts.issue(exchange.user)
            ends = datetime.fromtimestamp(datetime.now(UTC).timestamp() + life, UTC)
            known = {"alias": alias, "secret": secret, "singleUse": False}
            known |= {"estimatedExpirationTime": ends.strftime("%Y-%m-%d %H:%M:%S.%f")[:-3]}
            return as_json(known | {"xdatUserId": exchange.user.name})
        if len(words) == 3 and words[0] == "invalidate":
            if not self._accounts.invalidate(words[1], words[2]):
                raise Failed(404, "There is no such token.")
            return Answer()
        if len(words) == 3 and words[0] == "validate":
            secret, name, _ = self._accounts.tokens.get(words[1], ("", "", 0.0))
            return as_json({"valid": name} if secret == words[2] else {})
        raise Failed(404, "There is no such service.")

    def _xapi(self, rest: str) -> Answer | None:
        if rest == "siteConfig/buildInfo":
            return as_json({"version": self._switches.version, "buildNumber": "fake"})
        if rest == "schemas":
            return Answer(json.dumps(["xnat"]).encode(), "application/json;charset=UTF-8")
        if rest in ("schemas/xnat", "schemas/xnat/xnat"):
            return Answer(SCHEMA.read_bytes(), "application/xml;charset=UTF-8")
        return None
