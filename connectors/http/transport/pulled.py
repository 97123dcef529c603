"""Bytes that arrive in a callback, block by block, as an iterator over them."""

import queue
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

BLOCKS = 16  # that wait for being taken: libcurl's are of 512 KiB at most


class _Unwanted(Exception):
    """Nobody takes any more."""


@contextmanager
def pulled(produce: Callable[[Callable[[bytes], None]], None]) -> Iterator[Iterator[bytes]]:
    """What ``produce(sink)`` gives to its sink, in a thread of its own, while the block lasts.

    What it raises is raised where the next block is asked for.
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
