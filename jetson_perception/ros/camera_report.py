"""The line of diagnostics that says whether frames come from a source, and how fast."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from jetson_perception.ros import diagnostics

if TYPE_CHECKING:
    from diagnostic_msgs.msg import DiagnosticStatus

    from jetson_perception.camera.capture import Capture
    from jetson_perception.ros.camera_publisher import CameraPublisher


def source_status(
    name: str, uri: str, topic: str, publisher: CameraPublisher, capture: Capture
) -> DiagnosticStatus:
    """A line of this name about a source that is read, and published on a topic."""
    rate = publisher.rate.rate(time.monotonic_ns())
    level, phase, message = _situation(capture, publisher)
    values: dict[str, Any] = {
        'source': uri,
        'topic': topic,
        'state': phase,
        'frame rate (Hz)': rate,
        'frames published': publisher.published,
        'times lost': capture.times_lost,
    }
    jpegs = publisher.jpegs.counts()
    if jpegs.problem and level == diagnostics.OK:
        level, message = diagnostics.WARN, f'compressed images are not sent: {jpegs.problem}'
    values['compressed images sent'] = jpegs.sent
    values['compressed images skipped (a newer one came)'] = jpegs.skipped
    values['compressed images failed'] = jpegs.failed
    values |= diagnostics.stage_values(publisher.times)
    return diagnostics.status(
        level, name, message or f'{rate:.1f} frames a second', values, hardware=uri
    )


def _situation(capture: Capture, publisher: CameraPublisher) -> tuple[bytes, str, str]:
    """Level of what a source is at, a word for programs, and for people; '' while frames come."""
    listeners = publisher.listeners
    if capture.at_end:
        return diagnostics.OK, 'ended', capture.problem
    if capture.problem:
        return diagnostics.ERROR, 'lost', capture.problem
    if listeners.waiting:
        level = diagnostics.WARN if listeners.are_late else diagnostics.OK
        return level, 'waiting', listeners.waiting
    if publisher.problem:
        return diagnostics.WARN, 'playing', publisher.problem
    if publisher.header is None:
        return (
            diagnostics.OK,
            'starting',
            'it has been started, and its first frame has not come yet',
        )
    return diagnostics.OK, 'playing', ''
