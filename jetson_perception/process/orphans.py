"""Processes that end when the one that started them does, however that ends."""

from __future__ import annotations

import shutil
import subprocess
from functools import cache

_ASKS_FOR_A_SIGNAL = ('setpriv', '--pdeathsig', 'TERM', '--')


@cache
def ends_with_parent() -> tuple[str, ...]:
    """What to put before a command so that Linux tells its process when its parent has ended.

    A parent that is killed, or that gives up, ends nobody: its nodes would run on, and answer
    beside those of the next start. The signal is SIGTERM, which ends nodes in order. The process
    stays the same one, with its pid. To Linux the parent is the thread that starts the process, so
    one that ends takes the process along. Empty where the program that asks for the signal, which
    is in util-linux, is missing or is another's.
    """
    if shutil.which(_ASKS_FOR_A_SIGNAL[0]) is None:
        return ()
    tried = subprocess.run(
        [*_ASKS_FOR_A_SIGNAL, 'true'],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        check=False,
    )
    return () if tried.returncode else _ASKS_FOR_A_SIGNAL
