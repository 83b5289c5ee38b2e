"""Traces as a file that viewers open: ui.perfetto.dev, or Chromium at chrome://tracing.

The format is the Trace Event Format: complete events (`X`) on the rows of processes, flow events
(`s`, `t`, `f`) that lead a frame from one to the next, and metadata (`M`) with names.
"""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from jetson_perception.tracing.traces import ProcessTrace, Span

    Event = dict[str, Any]

#: Tracks in this order from the top; all others between.
_FIRST, _LAST = ('camera: capture', 'capture', 'input', 'main thread'), ('garbage collector',)
#: Stages that lie across others, so no arrow leads to them.
_ACROSS = frozenset({'total', 'transport', 'skipped'})


def trace_document(traces: Sequence[ProcessTrace], command: str = '') -> dict[str, Any]:
    """A document for `json.dumps`.

    Times are microseconds since the first event of each host: the clocks of several hosts are not
    compared.
    """
    begun_ns = _beginnings(traces)
    numbers = _frame_numbers(traces)
    events: list[Event] = []
    flows: dict[tuple[str, int], list[Event]] = defaultdict(list)
    for pid, trace in zip(_pids(traces), traces, strict=True):
        events += _named('process', pid, 0, trace.name, pid)
        for tid, (name, spans) in enumerate(_rows(trace), 1):
            events += _named('thread', pid, tid, name, tid)
            for span in spans:
                key = _frame_key(trace, span)
                event = {
                    'ph': 'X',
                    'name': span.stage,
                    'cat': 'frame' if span.frame else 'process',
                    'pid': pid,
                    'tid': tid,
                    'ts': (span.begun_ns - begun_ns[trace.clock]) / 1e3,
                    'dur': (span.ended_ns - span.begun_ns) / 1e3,
                    'args': _arguments(trace, span, numbers.get(key, 0)),
                }
                events.append(event)
                if span.frame and span.ended_ns > span.begun_ns and span.stage not in _ACROSS:
                    flows[key].append(event)
    for key, steps in flows.items():
        events += _flow(numbers[key], steps)
    return {
        'traceEvents': events,
        'displayTimeUnit': 'ms',
        'otherData': {
            'command': command,
            'clock': 'CLOCK_MONOTONIC of each host, from its first event',
            'hosts': [
                {'host': trace.host, 'clock': trace.clock, 'first_event_ns': begun_ns[trace.clock]}
                for trace in traces
            ],
        },
    }


def _beginnings(traces: Sequence[ProcessTrace]) -> dict[str, int]:
    """When the first event of each clock began."""
    begun_ns: dict[str, int] = {}
    for trace in traces:
        first_ns = trace.spans[0].begun_ns if trace.spans else None
        known_ns = begun_ns.get(trace.clock)
        if first_ns is not None and (known_ns is None or first_ns < known_ns):
            begun_ns[trace.clock] = first_ns
    return defaultdict(int, begun_ns)


def _frame_key(trace: ProcessTrace, span: Span) -> tuple[str, int]:
    """What a frame is known by: its stamp on one clock; without a stamp, only in one process."""
    return (trace.clock if span.frame > 0 else f'{trace.clock} {trace.pid}', span.frame)


def _frame_numbers(traces: Sequence[ProcessTrace]) -> dict[tuple[str, int], int]:
    """Numbers of the frames, from 1, in the order in which they first appear."""
    first_ns: dict[tuple[str, int], int] = {}
    for trace in traces:
        for span in trace.spans:
            if span.frame:
                key = _frame_key(trace, span)
                first_ns[key] = min(first_ns.get(key, span.begun_ns), span.begun_ns)
    return {
        key: number for number, key in enumerate(sorted(first_ns, key=first_ns.__getitem__), 1)
    }


def _pids(traces: Sequence[ProcessTrace]) -> list[int]:
    """A number for each process: its own, unless another container has a process of that too."""
    pids: list[int] = []
    for trace in traces:
        pid = trace.pid
        while pid in pids:
            pid += 1 << 22  # more than Linux gives
        pids.append(pid)
    return pids


def _named(what: str, pid: int, tid: int, name: str, place: int) -> list[Event]:
    """Metadata with the name and the place of a process or thread."""
    same: Event = {'ph': 'M', 'pid': pid, 'tid': tid, 'cat': '__metadata', 'ts': 0}
    return [
        {**same, 'name': f'{what}_name', 'args': {'name': name}},
        {**same, 'name': f'{what}_sort_index', 'args': {'sort_index': place}},
    ]


def _rows(trace: ProcessTrace) -> Iterator[tuple[str, list[Span]]]:
    """Rows, each with spans that contain each other or are apart, as viewers need it.

    What overlaps on a track, such as two frames that wait, goes into more rows.
    """
    tracks: dict[str, list[Span]] = defaultdict(list)
    for span in trace.spans:
        tracks[span.track].append(span)
    for track in sorted(tracks, key=_place):
        rows: list[tuple[list[int], list[Span]]] = []
        for span in tracks[track]:
            _row_for(span, rows).append(span)
        for number, (_, spans) in enumerate(rows, 1):
            yield (f'{track} ({number})' if number > 1 else track), spans


def _row_for(span: Span, rows: list[tuple[list[int], list[Span]]]) -> list[Span]:
    """The first row that has room for a span, perhaps a new one."""
    for open_until_ns, spans in rows:
        while open_until_ns and open_until_ns[-1] <= span.begun_ns:
            open_until_ns.pop()
        if not open_until_ns or span.ended_ns <= open_until_ns[-1]:
            open_until_ns.append(span.ended_ns)
            return spans
    rows.append(([span.ended_ns], []))
    return rows[-1][1]


def _place(track: str) -> tuple[int, str]:
    if track in _FIRST:
        return _FIRST.index(track), track
    return len(_FIRST) + (track in _LAST), track


def _arguments(trace: ProcessTrace, span: Span, number: int) -> dict[str, Any]:
    """What a viewer shows of a span that is chosen."""
    arguments: dict[str, Any] = {}
    if span.frame:
        arguments['frame'] = number
    if span.frame > 0:
        # As text: a viewer's numbers have 53 bits.
        arguments['stamp'] = f'{span.frame // 10**9}.{span.frame % 10**9:09d}'
    use = trace.use(span)
    if use is not None:
        arguments['ran_ms'] = round(use.ran_ms, 3)
        arguments['waited_for_cpu_ms'] = round(use.waited_ms, 3)
        arguments['page_faults'] = use.faults
        arguments['preempted'] = use.preempted
    return arguments


def _flow(number: int, steps: list[Event]) -> list[Event]:
    """Arrows from the first step of a frame to the last; none where there is only one."""
    places = {(step['ts'], step['pid'], step['tid']): step for step in steps}
    path = [places[key] for key in sorted(places)]
    if len(path) < 2:
        return []
    phases = ['s', *'t' * (len(path) - 2), 'f']
    events = [
        {
            'ph': phase,
            'bp': 'e',  # belongs to the span around that moment, not to the next one
            'id': number,
            'name': 'frame',
            'cat': 'frame',
            'pid': step['pid'],
            'tid': step['tid'],
            'ts': step['ts'],
        }
        for phase, step in zip(phases, path, strict=True)
    ]
    del events[0]['bp']  # as it is for the beginning anyway
    return events
