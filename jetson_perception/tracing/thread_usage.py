"""What the calling thread has had so far: CPU time, waits for a CPU, page faults."""

from __future__ import annotations

import ctypes
import os
import resource
import threading
import time
from typing import NamedTuple

#: Of `<ran> <waited> <how often>`, each of up to 20 digits.
_SIZE = 64
#: os.pread would let other threads of the interpreter on, and so disturb what is measured.
_pread = ctypes.PyDLL(None).pread
_pread.argtypes = (ctypes.c_int, ctypes.c_char_p, ctypes.c_size_t, ctypes.c_long)
_pread.restype = ctypes.c_ssize_t


class ThreadUsage(NamedTuple):
    """Counted since the thread began.

    Attributes
    ----------
    ran_ns, waited_ns : int
        How long it ran, and how long it was ready to run while others had the CPUs; 0 where the
        kernel does not tell the latter.
    faults : int
        Page faults.
    preempted : int
        How often it had to give up its CPU.
    """

    ran_ns: int
    waited_ns: int
    faults: int
    preempted: int


def thread_usage() -> ThreadUsage:
    """Of the calling thread, in a few microseconds."""
    used = resource.getrusage(resource.RUSAGE_THREAD)
    schedule: _Schedule | None = getattr(_local, 'schedule', None)
    if schedule is None:
        schedule = _local.schedule = _Schedule()
    return ThreadUsage(
        time.thread_time_ns(),
        schedule.waited_ns(),
        used.ru_minflt + used.ru_majflt,
        used.ru_nivcsw,
    )


class _Schedule:
    """The scheduler's statistics of the thread that made it, kept open until the thread ends."""

    def __init__(self) -> None:
        try:
            self._file = os.open('/proc/thread-self/schedstat', os.O_RDONLY | os.O_CLOEXEC)
        except OSError:  # a kernel built without them
            self._file = -1
        self._buffer = ctypes.create_string_buffer(_SIZE + 1)

    def waited_ns(self) -> int:
        """How long the thread waited for a CPU; how long it ran is there too, but out of date."""
        if self._file < 0 or _pread(self._file, self._buffer, _SIZE, 0) <= 0:
            return 0
        return int(self._buffer.value.split()[1])

    def __del__(self) -> None:
        if self._file >= 0:
            os.close(self._file)


_local = threading.local()
