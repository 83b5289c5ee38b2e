"""What the calling thread has had so far: CPU time, waits for a CPU, page faults."""

from __future__ import annotations

import os
import resource
import threading
import time
from typing import NamedTuple


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
    ran_ns, waited_ns = schedule.read()
    return ThreadUsage(ran_ns, waited_ns, used.ru_minflt + used.ru_majflt, used.ru_nivcsw)


class _Schedule:
    """The scheduler's statistics of the thread that made it, kept open until the thread ends."""

    def __init__(self) -> None:
        try:
            self._file = os.open('/proc/thread-self/schedstat', os.O_RDONLY | os.O_CLOEXEC)
        except OSError:  # a kernel built without them
            self._file = -1

    def read(self) -> tuple[int, int]:
        """How long the thread ran, and waited for a CPU, ns."""
        if self._file < 0:
            return time.thread_time_ns(), 0
        ran, waited, _ = os.pread(self._file, 80, 0).split()
        return int(ran), int(waited)

    def __del__(self) -> None:
        if self._file >= 0:
            os.close(self._file)


_local = threading.local()
