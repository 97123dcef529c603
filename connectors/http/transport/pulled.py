"""Turns a callback that receives blocks of bytes into an iterator."""

import queue
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

BLOCKS = 16  # in the queue; libcurl's have at most 512 KiB


class _Unwanted(Exception):
    """The consumer has stopped."""


@contextmanager
def pulled(produce: Callable[[Callable[[bytes], None]], None]) -> Iterator[Iterator[bytes]]:
    """The blocks that ``produce(sink)`` passes to its sink. It runs in a thread, until the context ends.

    An exception from it is raised when the next block is requested.
    """
    waiting: queue.Queue[bytes | BaseException | None] = queue.Queue(BLOCKS)
    over = threading.Event()

    def put(item: bytes | BaseException | None) -> None:
        while not over.is_set():
            try:
                waiting.put(item, timeout=0.1)
                return
            except queue.Full:
                continue
        raise _Unwanted

    def work() -> None:
        end: BaseException | None = None
        try:
            produce(put)
        except BaseException as error:
            end = error
        try:
            put(end)
        except _Unwanted:
            pass

    def blocks() -> Iterator[bytes]:
        while True:
            item = waiting.get()
            if isinstance(item, bytes):
                yield item
            elif item is None:
                return
            else:
                raise item

    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    try:
        yield blocks()
    finally:
        over.set()
        thread.join(1.0)
