"""Host names: their syntax, and what to try if a host is unreachable. Cheap to import."""

import re

NAME = re.compile(r"(?!-)[^\s\x00-\x20\x7f\[\]:/\\?#@<>^|%\"'`{},;$&*()!]{1,253}")
"""A host name in the widest sense; the resolver may be stricter."""

RUNNING = "is the server running, and the port right?"


def is_name(text: str) -> bool:
    """Whether ``text`` may be a host name or an IPv4 address."""
    try:
        name = text if text.isascii() else text.encode("idna").decode("ascii")  # RFC 3490, 4 ms
    except UnicodeError:
        return False
    labels = name.removesuffix(".").split(".")
    return bool(NAME.fullmatch(text)) and all(0 < len(label) < 64 for label in labels)  # RFC 1035, 2.3.4


def is_ipv6(text: str) -> bool:
    """Whether ``text`` is an IPv6 address, in brackets or not."""
    from ipaddress import IPv6Address  # 5 ms, rarely needed

    try:
        IPv6Address(text[1:-1] if text.startswith("[") and text.endswith("]") else text)
    except ValueError:
        return False
    return True


def unreachable(host: str) -> str:
    """What to try if nothing listens at ``host``."""
    if host != "localhost" and not host.startswith("127.") and host != "::1":
        return RUNNING
    from connectors.local import container

    if not container.is_container():
        return RUNNING
    return (
        f"{RUNNING} This looks like a container, where {host} is the container itself:"
        " docker run --network host, or the host's own name"
    )
