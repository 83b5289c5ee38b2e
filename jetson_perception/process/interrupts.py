"""Work that Ctrl-C, and other signals that ask a command to end, do not cut in two."""

from __future__ import annotations

import signal
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING

from jetson_perception.process.executable import ASKING

if TYPE_CHECKING:
    from collections.abc import Iterator


@contextmanager
def interrupted_after() -> Iterator[None]:
    """Have the signals `ASKING` raise their KeyboardInterrupt at the end of the block, not within.

    It is for short blocks whose effects belong together. It changes nothing for signals that are
    ignored or end the process, nor in a thread that gets none.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    came: list[int] = []

    def remember(number: int, _frame: object) -> None:
        came.append(number)

    handlers = {each: signal.getsignal(each) for each in ASKING}
    handlers = {each: handler for each, handler in handlers.items() if callable(handler)}
    for number in handlers:
        signal.signal(number, remember)
    try:
        yield
    finally:
        for number, handler in handlers.items():
            signal.signal(number, handler)
    if came:
        signal.raise_signal(came[0])
