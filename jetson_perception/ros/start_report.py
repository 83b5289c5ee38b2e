"""Tells, with the first answer, how long the parts of a node's start took."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from jetson_perception.process.start_times import START_TIMES

if TYPE_CHECKING:
    from jetson_perception.pipeline import Frame

_log = logging.getLogger('jetson_perception')


def tell_start(frame: Frame) -> None:
    """Log how long it took until this frame was answered, if it is the first one that is."""
    if not START_TIMES.pending or not any(each is not None for each in frame.results.values()):
        return
    START_TIMES.done('waiting for an image', frame.received_ns)
    START_TIMES.done('the first image')
    spans = START_TIMES.finish()
    parts = [span for span in spans if span.is_main]
    listed = ', '.join(f'{each.what} {each.ended_s - each.begun_s:.2f}' for each in parts)
    _log.info('first answer after %.2f s: %s', parts[-1].ended_s, listed)
    for each in spans:
        whose = f' ({each.whose})' if each.whose else ''
        _log.debug('start, %.3f to %.3f s: %s%s', each.begun_s, each.ended_s, each.what, whose)
