"""Other programs that take the processor, for the tools that measure beside them."""

from __future__ import annotations

import subprocess
import sys
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator


@contextmanager
def busy_loops(count: int) -> Iterator[None]:
    """Processes that count without end, until the block does."""
    with ExitStack() as stack:
        for _ in range(count):
            command = [sys.executable, '-c', 'while True: pass']
            loop = stack.enter_context(subprocess.Popen(command))
            stack.callback(loop.kill)
        yield
