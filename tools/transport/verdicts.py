"""Whether a bar is kept, and what counts instead where the kernel's buffers are small."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from transport.lab import Lab

#: How soon the log must name the cause, where a bar cannot be kept.
TOLD_S = 5.0
_CAUSE = r'net\.core\.[rw]mem_max'


@dataclass(frozen=True)
class Told:
    """When a log named the sysctl line that helps.

    Attributes
    ----------
    after_s : float or None
        Seconds after camera and node were there; below 0 if before, None if never.
    """

    after_s: float | None

    def __str__(self) -> str:
        return '' if self.after_s is None else f'; told after {max(self.after_s, 0.0):.1f} s'


def told(lab: Lab, begin_s: float, *, since_s: float = 0.0) -> Told:
    """When one of our nodes said it, of the lines since a moment."""
    lines = [each for each in lab.log_lines(_CAUSE) if each[0] >= since_s]
    return Told(lines[0][0] - begin_s if lines else None)


def verdict(kept: bool, heard: Told, *, stock: bool) -> tuple[bool, str]:
    """Whether a bar counts as kept, and what to add to what was measured."""
    if not stock:
        return kept, ''
    in_time = heard.after_s is not None and heard.after_s <= TOLD_S
    return kept or in_time, str(heard)


def bar_with(bar: str, *, stock: bool) -> str:
    """A bar, and what is enough with stock buffers."""
    return f'{bar}, or told in {TOLD_S:.0f} s' if stock else bar
