"""Starts and ends a program: if asked to end while it still imports, it ends silently.

Imports little, so that signals are handled before slow imports.
"""

from __future__ import annotations

import _thread
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

ASKING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
"""Signals that ask a command to finish its files and end: of Ctrl-C, of `timeout`, systemd and
`docker stop`, and of a terminal or an ssh session that is gone."""

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

#: How long the process may take to leave when it is told to end while it still imports.
_LEAVING_S = 1.0

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

    The first of the signals `ASKING` raises KeyboardInterrupt in it, and the exit code is 128 and
    the signal's number; further ones change nothing, since `timeout` sends two, and a shell whose
    terminal is gone does so too. If that does not end the process, it is ended after a while.
    SIGTERM and SIGHUP stay ignored where whoever started it ignores them, such as nohup.
    """
    from jetson_perception.process.streams import open_missing_streams

    open_missing_streams()
    _have_threads_sleep()
    numbers = [each for each in ASKING if each == signal.SIGINT or not _is_ignored(each)]
    _end_quietly_on(*numbers)
    main = _imported(module).main
    from jetson_perception.process import ending

    came: list[int] = []

    def interrupt(number: int, _frame: object) -> None:
        came.append(number)
        if len(came) == 1:
            raise KeyboardInterrupt

    signals = ending.EndSignals(numbers, lambda: None, None, interrupt)
    code: int | None = INTERRUPTED
    try:
        try:
            code = main()
        finally:
            signals.ignore()
    except KeyboardInterrupt:
        pass
    except OSError:
        if not came:  # else the terminal is gone to which it would write its last words
            raise
    if came:  # even if an import turned it into another error
        code = 128 + came[0]
        _drop_output_without_terminal()
    ending.leave(code or 0)
    sys.exit(code)


def _is_ignored(number: int) -> bool:
    return signal.getsignal(number) is signal.SIG_IGN


def _drop_output_without_terminal() -> None:
    """Discard what cannot be written any more: Python would try at exit, and end with 120."""
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except OSError:
            os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())


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


def _end_quietly_on(*numbers: int, code: int | None = None) -> None:
    """End without a word on these signals; with 128 and the signal's number if without a code."""

    def end(came: int, _frame: object) -> None:
        for number in numbers:
            signal.signal(number, lambda *_: None)  # Ctrl-C comes twice to a launched node
        if _before_end:
            _leave()
        os._exit(128 + came if code is None else code)

    for number in numbers:
        signal.signal(number, end)
    # The scripts' first line blocks signals until they are handled: see CMakeLists.txt.
    signal.pthread_sigmask(signal.SIG_UNBLOCK, (signal.SIGINT, signal.SIGTERM))


def _leave() -> None:
    """Call `_before_end` in another thread, and wait for it no longer than `_LEAVING_S`.

    The main thread may hold a lock that leaving takes, such as that of ROS's context, and cannot
    let go of it before its signal handler has returned.
    """
    # Libraries keep Python's own lock while they clean up. Where one of them hangs, no Python code
    # runs any more, so the kernel ends the process.
    signal.signal(signal.SIGALRM, signal.SIG_DFL)
    signal.setitimer(signal.ITIMER_REAL, 2 * _LEAVING_S)
    left = _thread.allocate_lock()
    left.acquire()

    def run() -> None:
        try:
            for leave in _before_end:
                leave()
        finally:
            left.release()

    try:
        # Not of `threading`: to start one of those takes a lock that the main thread may hold too.
        _thread.start_new_thread(run, ())
    except RuntimeError:  # no thread can be started: then it is gone without a word
        return
    left.acquire(timeout=_LEAVING_S)
