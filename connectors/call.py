"""One transfer, from its access document to the end: what the command line and RED staging call.

Independent of the command line: failures are raised as errors of connectors.errors, and only log and
progress are written. A process may run any number of transfers, one after another or in threads.
"""

import os
from collections.abc import Callable, Container, Iterator, Mapping
from contextlib import closing, contextmanager, nullcontext
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

from connectors import registry
from connectors import settings as settings_
from connectors.access import document as document_
from connectors.access.document import Document
from connectors.access.prepare import prepare as prepare_access
from connectors.errors import ConfigError, Fault
from connectors.model import Access, Promise, Verb
from connectors.settings import Settings
from connectors.wording import join, printable

if TYPE_CHECKING:
    from connectors.remote import Remote
    from connectors.transfer.job import Job
    from connectors.transfer.progress import Progress
    from connectors.transfer.receipt import Receipts

T = TypeVar("T")


class Transfer(NamedTuple):
    """A transfer, checked as far as possible without a server; see ``prepare``."""

    verb: Verb
    connector: registry.Connector
    document: Document
    access: Access
    promise: Promise
    settings: Settings

    def check(self) -> None:
        """Ask the server whether the transfer would work; move nothing. Raises RedError if not."""
        from connectors.transfer import engine
        from connectors.transfer.receipt import Receipts

        with self._open("", Receipts(""), None) as (remote, job):
            engine.check(remote, job, self.verb, self.promise)

    def run(
        self, local: str, *, receipts: "Receipts | None" = None, progress: "Progress | None" = None
    ) -> None:
        """Move or mount; ``local`` is the path of the file or directory on this side.

        ``receipts`` and ``progress`` may be shared by several transfers; by default the settings determine
        them. Raises RedError unless everything was moved.
        """
        from connectors.local import container, names
        from connectors.transfer import engine
        from connectors.transfer.receipt import Receipts

        engine.check_local(self.verb, local)
        local = names.clean(local)
        if self.verb in (Verb.RECEIVE_FILE, Verb.RECEIVE_DIR):
            container.warn_of_loss(local)
        own = closing(Receipts(self.settings.receipt)) if receipts is None else nullcontext(receipts)
        with own as written, self._open(os.path.basename(local), written, progress) as (remote, job):
            engine.MOVES[self.verb](remote, job, local, self.promise)

    @contextmanager
    def _open(
        self, label: str, receipts: "Receipts", progress: "Progress | None"
    ) -> Iterator[tuple["Remote", "Job"]]:
        """The logged-in remote, and the job, whose progress shows ``label``."""
        from connectors.transfer import engine
        from connectors.transfer.job import Job
        from connectors.transfer.progress import showing

        own = showing(self.settings, label) if progress is None else nullcontext(progress)
        with own as shown:
            job = Job(self.settings, shown, receipts)
            with (
                _placing_faults(self.document, self.connector.SCHEMAS[self.verb]),
                self.connector.connect(self.access, self.verb, job) as remote,
            ):
                engine.open_remote(remote, job)
                yield remote, job


def prepare(
    verb: Verb,
    document: str | dict[str, Any],
    *,
    connector: str = "",
    listing: str | list[Any] | None = None,
    settings: Settings | None = None,
    environ: Mapping[str, str] = os.environ,
) -> Transfer:
    """Read and check everything that ``verb`` needs, without a server.

    ``document`` is a path, ``-`` for standard input, or the parsed access document, in any of its three
    shapes. ``connector`` is the executable to use, by default the document's ``command``.
    ``listing``, also a path, ``-`` or parsed, replaces the one in the document. ``settings`` are read
    from ``environ`` if none are given; variables always are.

    ConfigError contains every fault of settings, document and listing; Unavailable if the connector does not
    have the verb.
    """
    faults: list[Fault] = []
    if settings is None:
        settings = _collecting(faults, lambda: settings_.read(environ)) or Settings()
    if connector and verb not in registry.load(connector).SCHEMAS:
        raise registry.lacking(connector, verb)
    raw = _collecting(faults, lambda: document_.read(document))
    if raw is None:
        raise ConfigError(faults)
    chosen = registry.load(connector or _named(raw, faults))
    if verb not in chosen.SCHEMAS:
        raise registry.lacking(chosen.EXECUTABLE, verb)
    schema, secrets_dir = chosen.SCHEMAS[verb], settings.secrets_dir
    prepared = _collecting(
        faults, lambda: prepare_access(raw, verb, chosen.EXECUTABLE, schema, listing, secrets_dir, environ)
    )
    if faults or prepared is None:
        raise ConfigError(faults)
    return Transfer(verb, chosen, raw, prepared.access, prepared.promise, settings)


@contextmanager
def _placing_faults(document: Document, keys: Container[str]) -> Iterator[None]:
    """Add line and path to faults in the access data that only the connector finds."""

    def placed(fault: Fault) -> Fault:
        if fault.path not in keys:
            return fault
        return document.fault(join(document.access_path, fault.path), fault.message)

    try:
        yield
    except ConfigError as error:
        faults = document.placed(map(placed, error.faults))
        raise ConfigError(faults, hint=error.hint) from None


def _collecting(faults: list[Fault], step: Callable[[], T]) -> T | None:
    """The result of ``step``; its faults are added to the list, so that later steps can add theirs."""
    try:
        return step()
    except ConfigError as error:
        faults += error.faults
        return None


def _named(document: Document, faults: list[Fault]) -> str:
    """The connector that the document's ``command`` names.

    ConfigError, with ``faults``, if it names none: further checks depend on the connector.
    """
    command, path = document.command, document.command_path or "command"
    if command in registry.MODULES:
        return command
    if command is not None:
        unknown = document.fault(path, registry.no_such(printable(command)))
        raise ConfigError(document.placed([*faults, unknown]))
    missing = document.fault(path, "required: the name of the connector (a string)")
    faults = [*faults, *document.faults, *_misspelt(document)]
    if path not in {fault.path for fault in faults}:  # if not a string
        faults.append(missing)
    hint = "add a line such as command: red-connector-http, or call the connector itself"
    if "redVersion" in document.value:
        hint = "this is a whole RED file: cut out the connector of one input or output"
    raise ConfigError(document.placed(faults), hint=hint)


def _misspelt(document: Document) -> list[Fault]:
    """Keys that look like misspelt keys around the access data."""
    keys = document.unknown or [(key, key, document_.CONNECTOR_KEYS) for key in document.value]
    return [
        document.fault(path, document_.unknown(key, known))
        for path, key, known in keys
        if key not in known and document_.meant(key, known)
    ]
