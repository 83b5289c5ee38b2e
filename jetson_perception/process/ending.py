"""Ends a process on a signal, whatever its threads are doing.

A thread that waits in a driver, a runtime or a file system cannot be ended from Python, and the
interpreter cannot end while such a thread exists: it either waits for it, or shuts down under it,
which aborts the process. So threads get some time to end cleanly; then the process ends by force
and logs what was still running.

Imports only the standard library: slow imports come after `EndSignals`.
"""

from __future__ import annotations

import logging
import os
import signal
import sys
import threading
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from types import FrameType

log = logging.getLogger('jetson_perception.process.ending')

ENDED_BY_FORCE = 70
"""Exit code of a node that had to leave a stuck thread behind."""

GRACE_S = 2.5
"""How long a clean end may take, from the first signal."""

_LAST_WORDS_S = 0.3
_OWN_THREADS = ('signals', 'last words')


class EndSignals:
    """Passes signals that ask the process to end to a thread, and limits how long it may take.

    The main thread may be in a foreign function, where no Python handler runs; the thread gets
    the signal anyway. Further signals change nothing: Ctrl-C reaches a launched node twice, from
    the terminal and from launch. Made in the main thread.

    Parameters
    ----------
    numbers : iterable of int
        The signals.
    on_signal : callable
        Called once, in a thread, when the first has come.
    code : int or None
        Exit code of the process if it still runs `GRACE_S` later; None for 128 and the number of
        the signal, as in shells.
    handler : callable
        Called in the main thread, once Python can run there; by default does nothing.
    """

    def __init__(
        self,
        numbers: Iterable[int],
        on_signal: Callable[[], None],
        code: int | None = ENDED_BY_FORCE,
        handler: Callable[[int, FrameType | None], object] = lambda *_: None,
    ) -> None:
        self._numbers = tuple(numbers)
        self._on_signal = on_signal
        self._code = code
        reader, writer = os.pipe()
        os.set_blocking(writer, False)
        signal.set_wakeup_fd(writer, warn_on_full_buffer=False)
        threading.Thread(target=self._listen, args=(reader,), name='signals', daemon=True).start()
        for number in self._numbers:
            signal.signal(number, handler)

    def ignore(self) -> None:
        """Ignore all further signals, even while Python shuts down."""
        for number in self._numbers:
            signal.signal(number, signal.SIG_IGN)

    def _listen(self, reader: int) -> None:
        # Python writes the number of every signal with a handler, also of other code's handlers.
        came: list[int] = []
        while not came:
            came = [each for each in os.read(reader, 64) if each in self._numbers]
        deadline = time.monotonic() + GRACE_S
        self._on_signal()
        time.sleep(max(deadline - time.monotonic(), 0))
        _leave_by_force(128 + came[0] if self._code is None else self._code)


def leave(code: int = 0) -> None:
    """End the process with this code if remaining threads would hang or abort it.

    Call it last. It returns if the interpreter can end by itself.
    """
    left = _other_threads()
    if left:
        names = ', '.join(sorted(thread.name for thread in left))
        _exit(code, lambda: log.info('ended while these threads were still running: %s', names))


def _leave_by_force(code: int) -> None:
    """End the process by force, and say where its threads are."""
    frames = sys._current_frames()
    where = [
        f'{thread.name} in {_place(frames[thread.ident])}'
        for thread in (threading.main_thread(), *_other_threads())
        if thread.ident in frames
    ]
    text = f'did not end within {GRACE_S:g} s, so it ends by force: {"; ".join(where)}'
    _exit(code, lambda: log.critical('%s', text), text)


def _exit(code: int, say: Callable[[], object], text: str = '') -> None:
    """Write the last message, unless that hangs too, and end at once."""
    said = threading.Event()

    def speak() -> None:
        say()
        logging.shutdown()
        sys.stdout.flush()
        sys.stderr.flush()
        said.set()

    threading.Thread(target=speak, name='last words', daemon=True).start()
    if not said.wait(_LAST_WORDS_S) and text:
        os.write(2, f'{text}\n'.encode(errors='replace'))
    os._exit(code)


def _other_threads() -> list[threading.Thread]:
    """Threads that run Python, except the main one and those of this module."""
    return [
        thread
        for thread in threading.enumerate()
        if thread is not threading.main_thread() and thread.name not in _OWN_THREADS
    ]


def _place(frame: FrameType) -> str:
    """Function and line of this package that a thread is in, or else its innermost frame."""
    inner: FrameType | None = frame
    while inner is not None:
        if f'{os.sep}jetson_perception{os.sep}' in inner.f_code.co_filename:
            frame = inner
            break
        inner = inner.f_back
    path = frame.f_code.co_filename
    # A file name alone, such as cpu.py, is ambiguous in the package.
    file = path.rpartition(f'{os.sep}jetson_perception{os.sep}')[2] or os.path.basename(path)
    return f'{frame.f_code.co_name} ({file}:{frame.f_lineno})'
