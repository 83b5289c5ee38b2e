"""One input for one parser: it gives a value or an error of ours, soon, and with little memory."""

from __future__ import annotations

import resource
import signal
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from jetson_perception.errors import PerceptionError
from jetson_perception.printable import SHOWN_LINE_CHARACTERS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

HANG_S = 5.0
"""An input that takes longer is a finding; they take a millisecond."""

MOST_BYTES = 256 << 20
"""By which one input may raise the memory of the process."""


class HangError(BaseException):
    """A parser took too long. It is not an Exception, so that no parser handles it."""


def check(call: Callable[[Any], object], value: object) -> None:
    """Call a parser; whatever it raises but a well-made PerceptionError goes on to the caller."""
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    try:
        call(value)
    except PerceptionError as error:
        text = str(error)
        assert text, 'an error without a text'
        assert len(text) <= SHOWN_LINE_CHARACTERS, f'an error of {len(text)} characters'
        assert text.isprintable(), f'an error with control characters: {text!r}'
    taken = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) << 10
    assert taken <= MOST_BYTES, f'it took {taken >> 20} MiB'


@contextmanager
def no_hang() -> Iterator[None]:
    """Raise HangError in the block when it takes too long. For the main thread."""

    def on_alarm(*_: object) -> None:
        raise HangError(f'it took longer than {HANG_S:.0f} s')

    previous = signal.signal(signal.SIGALRM, on_alarm)
    signal.setitimer(signal.ITIMER_REAL, HANG_S)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, previous)
