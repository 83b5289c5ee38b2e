"""Starts and ends a program: if asked to end while it still imports, it ends silently.

Imports little, so that signals are handled before slow imports.
"""

from __future__ import annotations

import gc
import importlib
import os
import signal
import sys

TYPE_CHECKING = False  # `typing` itself takes milliseconds to import
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any, NoReturn

INTERRUPTED = 130
"""Exit code of a command that SIGINT ended, as in shells."""

# Threads of libraries that spin while they wait for work, on cores that others need.
_SPINNING = {
    # NumPy and OpenCV each bring an OpenBLAS, which starts a thread per core on import. The
    # threads spin for 2**26 cycles before they sleep, and use more CPU time than the rest of the
    # start. No frame multiplies matrices, so they sleep at once: 2**4 cycles is the least that
    # can be set.
    'OPENBLAS_THREAD_TIMEOUT': '4',
    # OpenCV's spin for about half of a millisecond after each call that used them. To resize
    # 1280x720 takes 0.52 ms and 1.15 ms of CPU time without that, 0.53 and 1.8 ms with it
    # (medians, two cores), and just then the driver or the middleware has its next work to do.
    'OPENCV_THREAD_POOL_ACTIVE_WAIT_WORKER': '0',
}

#: Called before the process ends by a signal while it still imports.
_before_end: list[Callable[[], object]] = []


def run_node_module(module: str, prepare: Callable[[], object] | None = None) -> NoReturn:
    """Import the module of a node and call its `main`, which handles signals by itself.

    Parameters
    ----------
    module : str
        Its full name.
    prepare : callable, optional
        Called before the import.
    """
    _have_threads_sleep()
    # launch reports any code but 0 as a crash.
    _end_quietly_on(signal.SIGINT, signal.SIGTERM, code=0)
    from jetson_perception.process.allocator import keep_memory

    keep_memory()  # before threads start
    if prepare is not None:
        prepare()
    _imported(module).main()
    sys.exit()


def run_perception_node_module(module: str) -> NoReturn:
    """The same for a node with engines, which begins what takes long before it imports the node.

    DDS discovers cameras meanwhile.
    """

    def begin() -> None:
        early = _imported('jetson_perception.ros.beginning').EARLY
        _before_end.append(early.end)
        early.begin()

    run_node_module(module, begin)


def run_command_module(module: str) -> NoReturn:
    """Import the module of a command, call its `main` and exit with what it returns.

    SIGINT raises KeyboardInterrupt in it; if that does not end it, the process is ended after a
    while.
    """
    _have_threads_sleep()
    _end_quietly_on(signal.SIGINT, code=INTERRUPTED)
    main = _imported(module).main
    import threading

    from jetson_perception.process import ending

    interrupted = threading.Event()
    signals = ending.EndSignals(
        [signal.SIGINT], interrupted.set, INTERRUPTED, signal.default_int_handler
    )
    code: int | None = INTERRUPTED
    try:
        code = main()
    except KeyboardInterrupt:
        pass
    finally:
        signals.ignore()
    if interrupted.is_set():  # even if an import turned it into another error
        code = INTERRUPTED
    ending.leave(code or 0)
    sys.exit(code)


def _imported(module: str) -> Any:
    """A module; exits with one line where something is not found that ROS or its setup brings.

    Meanwhile the collector rests, which would look a hundred times for garbage where there is
    none: a tenth of the time of a node's imports. Later it leaves alone what they brought, some
    sixty thousand objects: to look through these takes as long as a frame, and holds all threads.
    """
    gc.disable()
    try:
        imported = importlib.import_module(module)
        gc.freeze()
        return imported
    except ModuleNotFoundError as error:
        sys.exit(
            f'{error}: first source install/setup.bash of the workspace; if that does not help, '
            'install what is missing (`python3 -m jetson_perception.doctor` says how)'
        )
    finally:
        gc.enable()


def _have_threads_sleep() -> None:
    """Have threads of libraries sleep while they wait, unless the user has set how."""
    for name, value in _SPINNING.items():
        os.environ.setdefault(name, value)


def _end_quietly_on(*numbers: int, code: int) -> None:
    def end(*_: object) -> None:
        for leave in _before_end:
            leave()
        os._exit(code)

    for number in numbers:
        signal.signal(number, end)
    # The scripts' first line blocks signals until they are handled: see CMakeLists.txt.
    signal.pthread_sigmask(signal.SIG_UNBLOCK, (signal.SIGINT, signal.SIGTERM))
