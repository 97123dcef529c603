"""The command ``ssh-key``: prints a private key as a fragment of an access document."""

import json

from connectors import log
from connectors.errors import DataError
from connectors.local.files import reading
from connectors.settings import RED_VAR
from connectors.ssh.login import keys

VARIABLE = "ssh_key_passphrase"


def of(path: str, as_json: bool) -> str:
    """The key in the file at ``path`` (``-``: standard input) in YAML or JSON, to be pasted under ``auth``.

    Its lines are joined by ``\\n``, so that an editor's indentation cannot break it. The passphrase of an
    encrypted key becomes a variable. Errors say what the file contains if it is not such a key.
    """
    file, name = ("/dev/stdin", "standard input") if path == "-" else (path, path)
    try:
        with reading(name):
            key = keys.inspect(keys.read(file)) + "\n"
        fields = {"privateKey": key}
        try:
            keys.parse(key, "")
        except keys.NeedsPassphrase:
            fields["passphrase"] = "{{" + VARIABLE + "}}"
            log.info(
                f"the key is encrypted: set the variable {VARIABLE} to its passphrase, as a file of that name"
                f" in RED_SECRETS_DIR or as {RED_VAR}{VARIABLE}"
            )
    except keys.Unusable as unusable:
        raise DataError(f"{name} {unusable.message}", hint=unusable.hint) from None
    if as_json:
        return json.dumps(fields, indent=2)
    return "\n".join(f"{name}: {json.dumps(value)}" for name, value in fields.items())
