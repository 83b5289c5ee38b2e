"""The line of diagnostics that says what people get to see, and how much of it is skipped."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from jetson_perception.ros import diagnostics

if TYPE_CHECKING:
    from diagnostic_msgs.msg import DiagnosticStatus

    from jetson_perception.pipeline import PictureSlots


def pictures_status(name: str, slots: PictureSlots) -> DiagnosticStatus:
    """A line of this name about the pictures that are made of frames."""
    values: dict[str, Any] = {}
    shown, problems = [], []
    for topic, counts in slots.counts().items():
        values[f'{topic} rate (Hz)'] = counts.rate_hz
        values[f'{topic} sent'] = counts.sent
        values[f'{topic} skipped (a newer one came)'] = counts.skipped
        values[f'{topic} failed'] = counts.failed
        if counts.problem:
            problems.append(f'{topic} is not drawn: {counts.problem}')
        if counts.rate_hz:
            shown.append(f'{counts.rate_hz:.1f} a second of {topic}')
    stuck = next((each.describe() for each in slots.activities if each.is_stuck()), '')
    if stuck:
        return diagnostics.status(diagnostics.ERROR, name, stuck, values)
    if problems:
        return diagnostics.status(diagnostics.WARN, name, '; '.join(problems), values)
    message = ', '.join(shown) or 'no picture is drawn: nobody subscribes to one'
    return diagnostics.status(diagnostics.OK, name, message, values)
