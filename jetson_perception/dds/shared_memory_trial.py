"""Whether images really come through shared memory that was found to be fit for them.

A publisher's segment is found by its process id, which repeats from container to container: then
the segment is another process's, and nothing comes. A camera that has not started yet looks the
same. So after a silence UDP is tried; if images come by it, shared memory has one more chance, as
long as it takes a camera of that rate to send some, and after that UDP stays.
"""

from __future__ import annotations

import enum
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

PATIENCE_S = 1.5
"""How long nothing may come through shared memory before something else is tried."""

_PERIODS = 3.0  # of a slow camera, after which one that has sent nothing is silent


class _State(enum.Enum):
    TRUSTED = enum.auto()
    UDP_TRIED = enum.auto()
    LAST_CHANCE = enum.auto()
    CONFIRMED = enum.auto()
    FAILED = enum.auto()


class SharedMemoryTrial:
    """Decides by what arrives; begins with the first subscription to a set of publishers.

    Parameters
    ----------
    now_s : callable
        Seconds that never go back.
    """

    def __init__(self, now_s: Callable[[], float] = time.monotonic) -> None:
        self._now_s = now_s
        self._state = _State.TRUSTED
        self._since_s = now_s()
        self._patience_s = PATIENCE_S
        self._arrived_s: list[float] = []  # the first and the last of this state

    def message_arrived(self) -> None:
        """Count a message, by whichever transport is the present one."""
        self._arrived_s[1:] = [self._now_s()]

    def needs_udp(self) -> bool:
        """Whether the subscription should offer UDP alone now; asked a few times a second."""
        arrived = bool(self._arrived_s)
        silent = not arrived and self._now_s() - self._since_s > self._patience_s
        if self._state is _State.TRUSTED and silent:
            self._go(_State.UDP_TRIED)
        elif self._state is _State.UDP_TRIED and len(self._arrived_s) > 1:
            # A single one does not tell how long the next one may take.
            first_s, last_s = self._arrived_s
            self._patience_s = max(PATIENCE_S, _PERIODS * (last_s - first_s))
            self._go(_State.LAST_CHANCE)
        elif self._state is _State.LAST_CHANCE and silent:
            self._go(_State.FAILED)
        elif self._state in (_State.TRUSTED, _State.LAST_CHANCE) and arrived:
            self._go(_State.CONFIRMED)
        return self._state in (_State.UDP_TRIED, _State.FAILED)

    @property
    def failed(self) -> bool:
        """Whether nothing came by it though something was sent; silence alone says nothing."""
        return self._state is _State.FAILED

    @property
    def is_over(self) -> bool:
        """Whether the transport is decided on."""
        return self._state in (_State.CONFIRMED, _State.FAILED)

    def _go(self, state: _State) -> None:
        self._state, self._since_s = state, self._now_s()
        self._arrived_s.clear()
