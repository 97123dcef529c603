"""When a test lacks a server or an engine: skip with a reason, or fail if it is required.

``RED_TEST_REQUIRE`` lists required ones, comma-separated: ``nginx,apache,docker`` or ``all``.
"""

import contextlib
import os
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from typing import NoReturn, TypeVar

import pytest

from tests.servers import Missing

Server = TypeVar("Server")


def missing(what: str, reason: str) -> NoReturn:
    """End the test: failed if RED_TEST_REQUIRE names ``what`` (or all), else skipped."""
    required = {name.strip() for name in os.environ.get("RED_TEST_REQUIRE", "").split(",")}
    if required & {what, "all"}:
        pytest.fail(f"{what} is required: {reason}", pytrace=False)
    pytest.skip(f"NOT TESTED, {what}: {reason}")


@contextlib.contextmanager
def running(what: str, start: Callable[[], AbstractContextManager[Server]]) -> Iterator[Server]:
    """The server started by ``start``; the test ends if it is not installed."""
    with contextlib.ExitStack() as stack:
        try:
            server = stack.enter_context(start())
        except Missing as error:
            missing(what, str(error))
        yield server
