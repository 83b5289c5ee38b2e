"""Datagrams that the kernel threw away in the last seconds."""

from __future__ import annotations

from collections import deque
from typing import NamedTuple

from jetson_perception.dds.own_sockets import own_sockets
from jetson_perception.dds.proc import PROC, read

_SNMP = PROC / 'net/snmp'
#: A datagram of 64 kB comes in as many fragments, so whole ones account for no more.
_MOST_FRAGMENTS = 45


class _Sample(NamedTuple):
    """Counters of one moment: datagrams dropped, fragments that came, datagrams made of those."""

    drops: int | None
    fragments: int
    whole: int


class KernelCounters:
    """Counters of the last seconds.

    Parameters
    ----------
    seconds : int
        How many seconds the last ones are.
    """

    def __init__(self, seconds: int = 4) -> None:
        self._samples: deque[_Sample] = deque(maxlen=seconds + 1)

    def second_passed(self) -> None:
        """Let a second of the last ones go; call it once a second."""
        self._samples.append(_sample())

    @property
    def drops(self) -> int | None:
        """Datagrams that came while this process's sockets were full; None where not known."""
        if not self._samples:
            return None
        first, last = self._samples[0].drops, self._samples[-1].drops
        return None if first is None or last is None else max(last - first, 0)

    @property
    def torn(self) -> int:
        """Fragments of datagrams that never became whole, as others were lost, on all sockets."""
        if not self._samples:
            return 0
        first, last = self._samples[0], self._samples[-1]
        of_whole = (last.whole - first.whole) * _MOST_FRAGMENTS
        return max(last.fragments - first.fragments - of_whole, 0)


def _sample() -> _Sample:
    counters = _ip_counters()
    return _Sample(own_sockets().drops, counters.get('ReasmReqds', 0), counters.get('ReasmOKs', 0))


def _ip_counters() -> dict[str, int]:
    """Counters of IPv4: a line of names, and one of numbers."""
    lines = read(_SNMP).splitlines()
    names, numbers = ([*line.split()[1:]] for line in [*lines, '', ''][:2])
    return {name: int(number) for name, number in zip(names, numbers, strict=False)}
