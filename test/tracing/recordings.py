"""Recording in the process of the test."""

import time
from contextlib import contextmanager

from jetson_perception.tracing import RECORDER
from jetson_perception.tracing.traces import ProcessTrace, add_recorded


@contextmanager
def recorded():
    """Records meanwhile; yields a function that gives what was recorded so far."""
    first = RECORDER.record(60)

    def so_far():
        trace = ProcessTrace('test', 'here', 'c', 1)
        add_recorded(trace, [RECORDER.fetch(first, 1 << 30)])
        return trace

    try:
        yield so_far
    finally:
        RECORDER.until_ns = 0
        RECORDER.end_if_over(time.monotonic_ns())
        assert not RECORDER.on


def spans_of(trace, frame):
    """Stage and track of what happened to a frame, in the order of time."""
    return [(span.stage, span.track) for span in trace.spans if span.frame == frame]
