"""``python -m tests.servers.xnat [PORT]``: a fake XNAT with a sample project, until it is interrupted."""

import argparse
import ast
import inspect
import re
import signal
import sys
import time
from dataclasses import fields
from typing import Any

from tests.servers import xnat
from tests.servers.xnat import Fault, Node, Switches, User, Xnat
from tests.servers.xnat.archive import CONTAINERS

DESCRIPTION = """A fake XNAT on 127.0.0.1 with a sample project, to try things out. It shows what is in it,
and each request with its status and the user that it is taken for. Interrupt it to end it: nothing stays."""
PASSWORD = "open-sesame"  # nowhere else in the sample, since messages hide secrets
USERS = {
    "alice": "owns everything",
    "member": "may not delete",
    "reader": "may only read",
    "stranger": "sees no project",
    "expired": "must choose a new password",
}
METAVARS = {str: "TEXT", int: "NUMBER", float: "SECONDS"}
FAILURE = "'PUT /files/ drop=1000 times=2'"


def main() -> None:
    # As if interrupted, to clean up; shells make background processes ignore interrupts.
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, signal.default_int_handler)
    options = arguments()
    try:
        with xnat.start(port=options.port) as site:
            for one in fields(Switches):
                setattr(site.switches, one.name, getattr(options, one.name))
            for method, pattern, fault in options.fail:
                site.fail(method, pattern, fault)
            fill(site)
            show(site)
            follow(site)
    except KeyboardInterrupt:
        pass
    except OSError as error:
        sys.exit(f"port {options.port}: {error.strerror}; give another one, or 0 for any that is free")


def arguments() -> argparse.Namespace:
    """The command line: an option for each of the site's switches."""
    parser = argparse.ArgumentParser(
        prog="python -m tests.servers.xnat", usage="%(prog)s [OPTIONS] [PORT]", description=DESCRIPTION
    )
    parser.add_argument(
        "port", nargs="?", type=port, metavar="PORT", default=8080, help="0 for any that is free [8080]"
    )
    said = told(Switches)
    for one in fields(Switches):
        name, default = one.name.replace("_", "-"), one.default
        about: dict[str, Any] = {"dest": one.name, "default": default, "help": said.get(one.name, "")}
        if isinstance(default, bool):
            about["action"] = "store_false" if default else "store_true"
            name = f"no-{name}" if default else name
        else:
            kind = int if default is None else type(default)
            about |= {"type": kind, "metavar": "BYTES" if default is None else METAVARS[kind]}
            about["help"] += f" [{default}]" if default else ""
        parser.add_argument(f"--{name}", **about)
    parser.add_argument(
        "--fail",
        action="append",
        default=[],
        type=failure,
        metavar="'METHOD PATTERN NAME=VALUE …'",
        help="Let the next requests fail that have this method (ANY: all) and this pattern in their path, "
        f"e.g. {FAILURE}. Names: " + " ".join(f"{name}: {text}" for name, text in told(Fault).items()),
    )
    return parser.parse_args()


def port(text: str) -> int:
    if not text.isdecimal() or int(text) >= 1 << 16:
        raise argparse.ArgumentTypeError(f"{text!r} is no number from 0 to 65535")
    return int(text)


def told(switches: type) -> dict[str, str]:
    """The docstring below each field of a dataclass."""
    (body,) = ast.parse(inspect.getsource(switches)).body
    assert isinstance(body, ast.ClassDef)
    said = {}
    for field, text in zip(body.body, body.body[1:], strict=False):
        if isinstance(field, ast.AnnAssign) and isinstance(text, ast.Expr):
            said[ast.unparse(field.target)] = ast.literal_eval(text.value).replace("`", "").replace("%", "%%")
    return said


def failure(text: str) -> tuple[str, str, Fault]:
    """Method, pattern and fault out of a text such as FAILURE."""
    try:
        method, pattern, *words = text.split()
        re.compile(pattern)
        named = dict(word.split("=") for word in words)
        fault = Fault(**{name: ast.literal_eval(value) for name, value in named.items()})
    except (TypeError, ValueError, SyntaxError, re.error):
        raise argparse.ArgumentTypeError(
            f"{text!r} does not say what is to fail, and how: {FAILURE}"
        ) from None
    return method.replace("ANY", ""), pattern, fault


def fill(site: Xnat) -> None:
    site.sample()
    site.users["expired"] = User("expired", PASSWORD, expired=True)
    for name in USERS:
        site.users[name].password = PASSWORD


def show(site: Xnat) -> None:
    """What a client needs to know, and the contents."""
    print(f"baseUrl:  {site.url}")
    print("username: " + ", ".join(f"{name} ({what})" for name, what in USERS.items()))
    print(f"password: {PASSWORD}")
    for node in site.archive.nodes():
        for resource in node.resources:
            for name in resource.catalogue:
                print(f"  {path(node)}: {resource.label}: {name}")
    sys.stdout.flush()


def path(node: Node) -> str:
    """A project, subject, session or container, by the names that access documents use."""
    kind = f"{node.kind}/" if node.kind in CONTAINERS else ""
    return f"{path(node.parent)}/{kind}{node.label}" if node.parent else node.label


def follow(site: Xnat) -> None:
    """Show each answered request until the program ends."""
    shown = 0
    while True:
        time.sleep(0.05)
        for one in site.seen[shown:]:
            print(f"{one.status} {one.user} {one.method} {one.path}", flush=True)
            shown += 1


if __name__ == "__main__":
    main()
