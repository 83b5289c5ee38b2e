"""The line of diagnostics that says whether an input's images come, and all that are sent."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from jetson_perception.printable import counted
from jetson_perception.ros import diagnostics

if TYPE_CHECKING:
    from diagnostic_msgs.msg import DiagnosticStatus

    from jetson_perception.ros.frame_input import FrameInput
    from jetson_perception.ros.loss_report import LossReport


def input_status(name: str, source: FrameInput, losses: LossReport | None) -> DiagnosticStatus:
    """A line of this name about an input: OK, WARN if some images are lost, ERROR if none comes.

    It is STALE before the first image, until that one is missed.
    """
    level, message = _situation(source, losses)
    return diagnostics.status(level, name, message, _values(source, losses))


def _situation(source: FrameInput, losses: LossReport | None) -> tuple[bytes, str]:
    silence = source.silence()
    if silence:
        return (diagnostics.OK if source.at_end() else diagnostics.ERROR), silence
    problem = losses.problem() if losses is not None else ''
    if problem:
        return diagnostics.WARN, problem
    clock_problem = source.clock_problem()
    if clock_problem:
        return diagnostics.WARN, clock_problem
    if losses is None or not losses.total.received:
        return diagnostics.STALE, 'no image yet'
    total = losses.total
    lost = f'{total.lost} of {total.received + total.lost}' if total.lost else 'none'
    return diagnostics.OK, f'{counted(total.received, "image")} received, {lost} lost'


def _values(source: FrameInput, losses: LossReport | None) -> dict[str, Any]:
    """Always the same keys in the same order, so that they can be plotted."""
    if losses is None:
        return {}
    total, recent = losses.total, losses.recent()
    return {
        'images received': total.received,
        'images lost': total.lost,
        'lost of the last seconds (%)': 100 * recent.share_lost,
        'lost because they were not taken in time': total.lost_here,
        'causes': ', '.join(losses.causes) or 'none',
        'images sent a second (Hz)': losses.rate_hz,
        'images that cannot be used': source.rejected,
    }
