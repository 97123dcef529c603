"""Limits on documents, so that reading takes at most twenty times their size in memory, and three seconds."""

MOST_BYTES = 64 * 1024 * 1024
"""Even a listing of 500,000 files is smaller; a larger file is a mistake, such as the data itself."""

MOST_YAML = 12 * 1024 * 1024
"""Characters of YAML: a listing of 100,000 files."""

MOST_VALUES = 1_200_000
"""Values (including keys) in a YAML document, with aliases expanded; a listing of 100,000 files has
1,000,000."""

DEEPEST = 2_500
"""Levels. A listing that is nested 1,000 levels deep has 2,000."""

MOST_LINES = 4 * 1024 * 1024
"""Characters. In larger texts, such as a listing of 30,000 files, faults have a path but no line."""

MOST_FAULTS = 1_000
"""Faults of one kind that are reported individually."""

MOST_KEYS = 10_000
"""Values in the access data, and keys around them; no connector needs a hundred."""

TOO_DEEP = "is nested too deeply"
TOO_DENSE = "contains more lists and mappings than is allowed for its size"
TOO_MANY = f"contains more than {MOST_VALUES:,} values, too many for YAML: write it as JSON"


def most_collections(text: str) -> int:
    """The number of lists and mappings that a ``text`` may contain. Empty ones take a hundred bytes of memory
    for three characters; an entry of a listing has thirty characters."""
    return max(1 << 17, len(text) // 16)
