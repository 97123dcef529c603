"""Keys and certificates as PEM (RFC 7468): the text itself in the document, or the path of its file."""


def is_pem(text: str) -> bool:
    """Whether ``text`` is PEM itself and not the path of a file."""
    return "-----BEGIN " in text or "\n" in text


def as_pem(text: str) -> str:
    """``text`` with its lines restored where they were written as ``\\n``, as environments flatten them."""
    return text.replace("\\n", "\n")
