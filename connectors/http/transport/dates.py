"""HTTP's dates (RFC 9110, 5.6.7) as seconds since 1970."""

from contextlib import suppress
from functools import lru_cache


# Files of a directory often share a date, and parsing one takes as long as a small request.
@lru_cache(maxsize=1024)
def moment(date: str) -> float | None:
    """None if ``date`` is invalid."""
    if not date:
        return None
    from email.utils import parsedate_to_datetime

    with suppress(ValueError, TypeError, OverflowError):
        return parsedate_to_datetime(date).timestamp()
    return None
