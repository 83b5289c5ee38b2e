"""How a program begins: told to end while it still imports, it does so without a traceback.

Nothing but the standard library is imported here before the signals are handled.
"""

from __future__ import annotations

import importlib
import os
import signal
import sys
from typing import TYPE_CHECKING, NoReturn

if TYPE_CHECKING:
    from collections.abc import Callable


def run(
    module: str, interrupted: int = 130, prepare: Callable[[], object] | None = None
) -> NoReturn:
    """Import a module, call its `main` without arguments and exit with what it returns.

    Parameters
    ----------
    module : str
        Its full name.
    interrupted : int
        Exit code when SIGINT or SIGTERM comes before `main` is called.
    prepare : callable, optional
        Called before the import.
    """
    numbers = (signal.SIGINT, signal.SIGTERM)
    before = [signal.signal(number, lambda *_: os._exit(interrupted)) for number in numbers]
    if prepare is not None:
        prepare()
    main = importlib.import_module(module).main
    for number, handler in zip(numbers, before, strict=True):
        signal.signal(number, handler)
    sys.exit(main())
