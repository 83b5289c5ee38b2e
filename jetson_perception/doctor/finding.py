"""One line of the examination."""

from __future__ import annotations

from dataclasses import dataclass

OK = 'ok'
WARNING = 'warning'
MISSING = 'missing'

VERDICTS = (OK, WARNING, MISSING)
"""Every verdict, the best first."""


@dataclass(frozen=True, slots=True)
class Finding:
    """What was looked at, what was found, and what to do.

    Attributes
    ----------
    group : str
        Heading under which it stands.
    name : str
        What was looked at.
    found : str
        What is there; why not, where it is not.
    verdict : str
        One of `VERDICTS`.
    advice : str
        What to do; empty when nothing is to be done.
    needed : bool
        Whether images cannot be run through a model without it.
    """

    group: str
    name: str
    found: str
    verdict: str = OK
    advice: str = ''
    needed: bool = False
