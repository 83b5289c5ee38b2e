"""The UDP ports of DDS: which domain has which, and which participant listens where.

RTPS 9.6.1.1 numbers them; Fast DDS names its queues in shared memory after them too.
"""

from __future__ import annotations

MOST_DOMAIN = 232
"""The highest domain whose ports are ports."""

_BASE, _DOMAIN_GAIN, _PARTICIPANT_GAIN = 7400, 250, 2
#: Behind a domain's first port: where its first participant listens to announcements.
_UNICAST = 10
#: So many participants have ports of their own before those of the next domain begin.
_PARTICIPANTS = (_DOMAIN_GAIN - _UNICAST) // _PARTICIPANT_GAIN


def announcement_port(domain: int, participant: int) -> int:
    """Where a participant listens to what others announce; it takes data on the port above."""
    return _BASE + _DOMAIN_GAIN * domain + _UNICAST + _PARTICIPANT_GAIN * participant


def domain_of_port(port: int) -> int | None:
    """The domain that has a port; None if none has."""
    domain = (port - _BASE) // _DOMAIN_GAIN
    return domain if 0 <= domain <= MOST_DOMAIN else None


def is_announcement_port(port: int) -> bool:
    """Whether a participant of some domain may listen to announcements on a port."""
    domain = domain_of_port(port)
    if domain is None:
        return False
    participant, odd = divmod(port - announcement_port(domain, 0), _PARTICIPANT_GAIN)
    return not odd and 0 <= participant < _PARTICIPANTS
