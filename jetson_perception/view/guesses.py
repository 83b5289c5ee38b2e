"""Guesses at the token: each address has one a second, and holds nobody else up."""

from __future__ import annotations

import asyncio
import ipaddress

GUESS_S = 1.0
"""How long an address has to wait after a wrong token, seconds."""

_MOST_ADDRESSES = 10_000


class Guesses:
    """Remembers who guessed wrong; used in one asyncio loop.

    Parameters
    ----------
    period_s : float
        How long an address has to wait after a wrong guess.
    """

    def __init__(self, period_s: float = GUESS_S) -> None:
        self._period_s = period_s
        #: Until when nothing is taken from an address, in the order of these times.
        self._until_s: dict[str, float] = {}

    def may_guess(self, address: str | None) -> bool:
        """Whether what an address gives is looked at now."""
        now_s = asyncio.get_running_loop().time()
        return self._until_s.get(_place(address), now_s) <= now_s

    async def was_wrong(self, address: str | None) -> None:
        """Note a wrong guess; returns once the next one is taken."""
        place = _place(address)
        self._until_s.pop(place, None)
        while len(self._until_s) >= _MOST_ADDRESSES:
            del self._until_s[next(iter(self._until_s))]
        self._until_s[place] = asyncio.get_running_loop().time() + self._period_s
        await asyncio.sleep(self._period_s)


def _place(address: str | None) -> str:
    """What stands for an address: one machine has many of IPv6, which share their first half."""
    try:
        found = ipaddress.ip_address((address or '').partition('%')[0])
    except ValueError:
        return ''
    if isinstance(found, ipaddress.IPv4Address):
        return str(found)
    if found.ipv4_mapped is not None:
        return str(found.ipv4_mapped)
    return found.packed[:8].hex()
