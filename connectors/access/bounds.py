"""How large documents may be: at most twenty times their size in memory, and three seconds to read."""

MOST_BYTES = 64 * 1024 * 1024
"""No document is larger, nor a listing of 500,000 files; what is, is a mistake such as the data itself."""

MOST_YAML = 12 * 1024 * 1024
"""Characters of YAML: a listing of 100,000 files."""

MOST_VALUES = 1_200_000
"""Values (keys count too) that a YAML document may hold, and one with aliases may stand for; a listing of
100,000 files has 1,000,000."""

DEEPEST = 2_500
"""Levels. A listing that is nested 1,000 levels deep has 2,000."""

MOST_LINES = 4 * 1024 * 1024
"""Characters. In larger texts, say a listing of 30,000 files, faults have a path but no line."""

MOST_FAULTS = 1_000
"""Faults of one kind that are told one by one."""

MOST_KEYS = 10_000
"""Values in the access data, and keys around them; no connector needs a hundred."""

TOO_DEEP = "is nested too deeply"
TOO_DENSE = "contains more lists and mappings than is allowed for its size"
TOO_MANY = f"contains more than {MOST_VALUES:,} values, too many for YAML: write it as JSON"


def most_collections(text: str) -> int:
    """How many lists and mappings a ``text`` may hold. Empty ones take a hundred bytes of memory for three
    characters; an entry of a listing has thirty characters."""
    return max(1 << 17, len(text) // 16)
