"""What traces come to: how long each stage takes, and the way of every frame to its results."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from jetson_perception.tracing.recorder import COLLECTOR

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from jetson_perception.tracing.traces import ProcessTrace, Span

#: Stages on the way of a frame to its results, in this order; the others lie beside it.
WAY = (
    'read', 'capture', 'send', 'delivery', 'transport', 'take', 'wait', 'upload', 'preprocess',
    'inference', 'postprocess', 'refine', 'publish', 'write',
)  # fmt: skip
TOTAL = 'total'
_FRAMES = ': frames'


class Figures(NamedTuple):
    """Milliseconds of many spans of one kind."""

    frames: int
    median_ms: float
    p99_ms: float
    worst_ms: float


class StageRow(NamedTuple):
    """One stage on one track of a process."""

    process: str
    track: str
    stage: str
    figures: Figures


class Part(NamedTuple):
    """One stage on the way of one frame.

    Attributes
    ----------
    trace, span
        Where it was, and when.
    ms : float
        How long it took, without what later parts take of it.
    excess_ms : float
        How much longer than the stage's median.
    """

    trace: ProcessTrace
    span: Span
    ms: float
    excess_ms: float


@dataclass(frozen=True)
class Journey:
    """The way of one frame to the results of one engine.

    Attributes
    ----------
    trace : ProcessTrace
        Of the node with the engine.
    total : Span
        From the stamp until the results were out.
    excess_ms : float
        How much longer than the median.
    parts : list of Part
        In the order of `WAY`.
    """

    trace: ProcessTrace
    total: Span
    excess_ms: float
    parts: list[Part]


@dataclass(frozen=True)
class Ways:
    """The ways of all frames to the results of one engine.

    Attributes
    ----------
    process, engine : str
        Which one; the engine is '' where there is only one thing to do.
    total : Figures
    skipped : int
        Frames that a newer one replaced.
    slowest : list of Journey
        The slowest percent, at least one, the slowest first.
    """

    process: str
    engine: str
    total: Figures
    skipped: int
    slowest: list[Journey]


def figures(values_ms: Sequence[float]) -> Figures:
    """Median, 99th percentile and maximum of at least one value."""
    median, p99, worst = np.percentile(values_ms, (50, 99, 100))
    return Figures(len(values_ms), float(median), float(p99), float(worst))


def stage_rows(traces: Iterable[ProcessTrace]) -> list[StageRow]:
    """Every stage that belongs to frames, and the collector, by process and track."""
    rows = []
    for trace in traces:
        taken: dict[tuple[str, str], list[float]] = defaultdict(list)
        for span in trace.spans:
            if (span.frame or span.track == COLLECTOR) and span.stage != 'skipped':
                taken[span.track.removesuffix(_FRAMES), span.stage].append(span.ms)
        found = [StageRow(trace.name, *key, figures(values)) for key, values in taken.items()]
        rows += sorted(found, key=_place)
    return rows


def ways(traces: Sequence[ProcessTrace]) -> list[Ways]:
    """The ways of frames to each engine that has results."""
    found = []
    for trace in traces:
        totals: dict[str, list[Span]] = defaultdict(list)
        for span in trace.spans:
            if span.stage == TOTAL:
                totals[span.track.removesuffix(_FRAMES)].append(span)
        found += [_ways(traces, trace, lane, spans) for lane, spans in totals.items()]
    return found


def cpu_waits(trace: ProcessTrace) -> dict[str, float]:
    """For each thread, the share of the time that it was ready to run and had no CPU."""
    return {track: thread.waited_share() for track, thread in sorted(trace.threads.items())}


def _place(row: StageRow) -> tuple[bool, str, int, str]:
    order = WAY.index(row.stage) if row.stage in WAY else len(WAY)
    return row.track == COLLECTOR, _lane_of(row.track), order, row.stage


def _lane_of(track: str) -> str:
    """The engine's track that a track belongs to; '' for one that all engines share."""
    return track.partition(': ')[0] if track.startswith('lane ') else ''


def _ways(
    traces: Sequence[ProcessTrace], trace: ProcessTrace, lane: str, totals: list[Span]
) -> Ways:
    total = figures([span.ms for span in totals])
    by_frame = _spans_by_frame(traces, trace, lane)
    medians = _medians(by_frame.values())
    slowest = sorted(totals, key=lambda span: -span.ms)[: max(len(totals) // 100, 1)]
    skipped = {
        span.frame
        for span in trace.spans
        if span.stage == 'skipped' and _lane_of(span.track) == lane
    }
    journeys = [
        Journey(trace, span, span.ms - total.median_ms, _parts(by_frame[span.frame], medians))
        for span in slowest
    ]
    return Ways(trace.name, lane.removeprefix('lane '), total, len(skipped), journeys)


def _spans_by_frame(
    traces: Sequence[ProcessTrace], trace: ProcessTrace, lane: str
) -> dict[int, list[tuple[ProcessTrace, Span, float]]]:
    """The parts of the way of each frame, with how long each takes."""
    by_frame: dict[int, dict[str, tuple[ProcessTrace, Span]]] = defaultdict(dict)
    for each in traces:
        if each.clock != trace.clock:
            continue
        for span in each.spans:
            here = each is trace and _lane_of(span.track) in ('', lane)
            before = each is not trace and span.stage in ('capture', 'send')
            if span.frame and span.stage in WAY and (here or (before and span.frame > 0)):
                by_frame[span.frame].setdefault(span.stage, (each, span))
    return {frame: _without_overlap(spans) for frame, spans in by_frame.items()}


def _without_overlap(
    spans: dict[str, tuple[ProcessTrace, Span]],
) -> list[tuple[ProcessTrace, Span, float]]:
    if 'delivery' in spans:  # it says more of the same time
        spans.pop('transport', None)
    take = spans['take'][1].ms if 'take' in spans else 0.0
    parts = [(*spans[stage], spans[stage][1].ms) for stage in WAY if stage in spans]
    return [
        (trace, span, max(ms - take, 0.0) if span.stage == 'transport' else ms)
        for trace, span, ms in parts
    ]


def _medians(
    ways_of_frames: Iterable[list[tuple[ProcessTrace, Span, float]]],
) -> dict[str, float]:
    values: dict[str, list[float]] = defaultdict(list)
    for parts in ways_of_frames:
        for _, span, ms in parts:
            values[span.stage].append(ms)
    return {stage: float(np.median(found)) for stage, found in values.items()}


def _parts(spans: list[tuple[ProcessTrace, Span, float]], medians: dict[str, float]) -> list[Part]:
    return [Part(trace, span, ms, ms - medians[span.stage]) for trace, span, ms in spans]
