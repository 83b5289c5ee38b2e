"""How much of the processor the threads of this process get, beside those of other programs."""

from __future__ import annotations

import contextlib
import os
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Collection


@dataclass(frozen=True)
class _Share:
    """What a thread gets: see sched(7)."""

    nice: int
    policy: int
    priority: int
    cores: frozenset[int]

    @classmethod
    def of_this_thread(cls) -> _Share:
        return cls(
            os.getpriority(os.PRIO_PROCESS, 0),
            os.sched_getscheduler(0),
            os.sched_getparam(0).sched_priority,
            frozenset(os.sched_getaffinity(0)),
        )

    def give_to(self, thread_id: int) -> None:
        """Raises OSError where this process may not."""
        os.sched_setaffinity(thread_id, self.cores)
        os.sched_setscheduler(thread_id, self.policy, os.sched_param(self.priority))
        os.setpriority(os.PRIO_PROCESS, thread_id, self.nice)


#: What this process was started with, once it has been given something else.
_given_at_start: _Share | None = None


def raise_share(
    nice: int | None = None, real_time_priority: int = 0, cores: Collection[int] = ()
) -> str:
    """Give all threads of this process, and those that they start, another share.

    Parameters
    ----------
    nice : int, optional
        From -20, which gets most, to 19; None leaves it.
    real_time_priority : int
        1 to 99: SCHED_FIFO, before all that is not real-time; 0 leaves the policy.
    cores : collection of int
        The only ones that they may run on; empty leaves them.

    Returns
    -------
    str
        Why it is not so; '' if it is.
    """
    global _given_at_start
    before = _Share.of_this_thread()
    wanted = _Share(
        before.nice if nice is None else nice,
        os.SCHED_FIFO if real_time_priority else before.policy,
        real_time_priority or before.priority,
        frozenset(cores) or before.cores,
    )
    missing = sorted(wanted.cores - set(range(os.cpu_count() or 1)))
    if missing:
        return f'this machine has no core {missing[0]}: it has 0 to {(os.cpu_count() or 1) - 1}'
    try:
        # The first tells whether all may be; the middleware's have been started already.
        for thread_id in sorted(map(int, os.listdir('/proc/self/task'))):
            with contextlib.suppress(ProcessLookupError):  # it has just ended
                wanted.give_to(thread_id)
    except OSError as error:
        with contextlib.suppress(OSError):
            before.give_to(0)
        return (
            f'{error.strerror}: it takes CAP_SYS_NICE, or limits of the user or unit (LimitNICE=, '
            'LimitRTPRIO=)'
        )
    _given_at_start = before
    return ''


def give_way() -> None:
    """Let this thread have no more than the process was started with: others go first."""
    if _given_at_start is not None:
        with contextlib.suppress(OSError):
            _given_at_start.give_to(0)
