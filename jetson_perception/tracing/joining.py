"""Follows frames from one process to the next: what passes between a camera and a callback."""

from __future__ import annotations

from typing import TYPE_CHECKING

from jetson_perception.tracing.traces import Span

if TYPE_CHECKING:
    from collections.abc import Iterable

    from jetson_perception.tracing.traces import ProcessTrace


def join_traces(traces: Iterable[ProcessTrace]) -> None:
    """Add the spans that no process sees alone, in place.

    `take` is what the middleware takes to hand an image over, from the beginning of the callback;
    `delivery` is the time before that, from the moment that a traced camera has sent the image.
    """
    traces = list(traces)
    sent = {
        (trace.clock, span.frame): span
        for trace in traces
        for span in trace.spans
        if span.stage == 'send' and _is_of_camera(trace, span)
    }
    for trace in traces:
        taken = _taken(trace)
        trace.spans += taken.values()
        for span in [each for each in trace.spans if each.stage == 'transport']:
            by = sent.get((trace.clock, span.frame))
            if by is not None:
                take = taken.get(span.frame)
                ended_ns = take.begun_ns if take is not None else span.ended_ns
                begun_ns = min(by.ended_ns, ended_ns)  # some have it before `send` returns
                trace.spans.append(Span('delivery', 'input', begun_ns, ended_ns, span.frame))
        trace.sort()


def _is_of_camera(trace: ProcessTrace, span: Span) -> bool:
    """Whether a camera has sent the image; pictures for people are sent from other tracks."""
    return span.track == 'capture' and span.frame != 0 and trace.clock != ''


def _taken(trace: ProcessTrace) -> dict[int, Span]:
    """What was spent, of the callback of each image, before the image was there."""
    taken = {}
    callback: Span | None = None
    for span in trace.spans:  # in order: a callback comes before what it contains
        if span.stage.startswith('callback '):
            callback = span
        elif span.stage == 'receive' and callback is not None and span.track == callback.track:
            if span.begun_ns <= callback.ended_ns:
                taken[span.frame] = Span(
                    'take', span.track, callback.begun_ns, span.begun_ns, span.frame
                )
            callback = None
    return taken
