"""Why a frame took longer than others, in words."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from jetson_perception.printable import counted
from jetson_perception.tracing.recorder import COLLECTOR, MAIN

if TYPE_CHECKING:
    from jetson_perception.tracing.summary import Journey, Part, Ways

#: Parts are told until they explain this share of what the frame took longer, at most so many.
_EXPLAINED, _MOST_PARTS = 0.7, 3
#: What is a smaller share of a part is not worth a word, nor what takes less.
_WORTH_TELLING, _LEAST_MS = 0.15, 0.3
_MANY_FAULTS = 100
#: Stages in which a thread sleeps until there is something to do.
_AWAITED = ('delivery', 'transport')
_MEANINGS = {
    'read': 'reading it from the source',
    'capture': 'between its capture and its sending, in the camera',
    'send': 'sending the image',
    'delivery': 'between sending and the callback',
    'transport': 'on the way to the node (trace the camera node too to see where)',
    'take': 'taking the image from the middleware',
    'wait': 'waiting until the engine was free',
    'upload': 'its upload to the GPU',
    'preprocess': 'preprocessing',
    'inference': 'inference',
    'postprocess': 'decoding',
    'refine': 'refining the result',
    'publish': 'publishing the result',
    'write': 'writing the result',
}


def explain(journey: Journey) -> list[str]:
    """What a frame waited for, as sentences without a stop; the longest first."""
    told: list[str] = []
    explained_ms = 0.0
    for part in sorted(journey.parts, key=lambda each: -each.excess_ms):
        enough = explained_ms >= _EXPLAINED * journey.excess_ms and told
        if enough or len(told) == _MOST_PARTS or part.excess_ms <= 0:
            break
        explained_ms += part.excess_ms
        told.append(_sentence(journey, part))
    return told


def explain_slowest(ways: Ways) -> str:
    """What the slowest frames have in common: the stages that took longest beyond their median."""
    counts: Counter[str] = Counter()
    for journey in ways.slowest:
        worst = max(journey.parts, key=lambda part: part.excess_ms, default=None)
        if worst is not None and worst.excess_ms >= _LEAST_MS:
            counts[_MEANINGS[worst.span.stage].partition(' (')[0]] += 1
    return ', '.join(f'{what} ({count})' for what, count in counts.most_common())


def _sentence(journey: Journey, part: Part) -> str:
    what = _MEANINGS[part.span.stage]
    usual_ms = part.ms - part.excess_ms
    text = f'{part.ms:.1f} ms {what}, usually {usual_ms:.1f}'
    reasons = _reasons(journey, part)
    return f'{text}: {"; ".join(reasons)}' if reasons else text


def _reasons(journey: Journey, part: Part) -> list[str]:
    reasons = _collections(part)
    if part.span.stage == 'wait':
        reasons += _engine(journey, part)
    elif part.span.stage in ('delivery', 'transport'):
        reasons += _callbacks(journey, part)
    return reasons + _use(part)


def _is_worth(ms: float, part: Part) -> bool:
    return ms >= max(_WORTH_TELLING * part.ms, _LEAST_MS)


def _collections(part: Part) -> list[str]:
    """Runs of Python's garbage collector, which stop all of the process that is Python."""
    runs = [span for span in part.trace.spans if span.track == COLLECTOR]
    taken_ms = sum(part.span.overlap_ms(run) for run in runs)
    if not _is_worth(taken_ms, part):
        return []
    return [f"Python's garbage collector took {taken_ms:.1f} ms of it"]


def _engine(journey: Journey, part: Part) -> list[str]:
    """What the engine did with the frame before."""
    lane = journey.total.track.partition(': ')[0]
    busy: Counter[str] = Counter()
    for span in part.trace.spans:
        if span.track.partition(': ')[0] == lane and span.stage in (
            'preprocess', 'inference', 'postprocess', 'refine',
        ):  # fmt: skip
            busy[span.stage] += round(part.span.overlap_ms(span) * 1000)
    told = [
        f'{_MEANINGS[stage]} of the frame before for {us / 1000:.1f} ms'
        for stage, us in busy.most_common(2)
        if _is_worth(us / 1000, part)
    ]
    return told or ["the engine's thread was not woken, or had no CPU"]


def _callbacks(journey: Journey, part: Part) -> list[str]:
    """What else the thread did that runs the callbacks."""
    own = [each.span for each in journey.parts if each.span.stage == 'take']
    busy: Counter[str] = Counter()
    for span in part.trace.spans:
        is_own = own and span.begun_ns == own[0].begun_ns
        if span.stage.startswith('callback ') and not is_own:
            busy[span.stage] += round(part.span.overlap_ms(span) * 1000)
    return [
        f'the node was in another {stage} for {us / 1000:.1f} ms'
        for stage, us in busy.most_common(2)
        if _is_worth(us / 1000, part)
    ]


def _use(part: Part) -> list[str]:
    """What the thread lacked."""
    span = part.span
    if span.stage in ('delivery', 'transport'):  # the thread of the callbacks is to notice it
        span = span._replace(track=MAIN)
    use = part.trace.use(span)
    if use is None:
        return []
    reasons = []
    if _is_worth(use.waited_ms, part):
        times = f', interrupted {counted(use.preempted, "time")}' if use.preempted else ''
        reasons.append(f'its thread waited {use.waited_ms:.1f} ms for a CPU{times}')
    blocked_ms = part.ms - use.ran_ms - use.waited_ms
    if part.span.stage not in _AWAITED and _is_worth(blocked_ms, part):
        held = 'other threads of the runtime' if part.span.stage == 'inference' else 'a lock'
        reasons.append(
            f'its thread slept {blocked_ms:.1f} ms: it waited for {held}, the interpreter or I/O'
        )
    if use.faults >= _MANY_FAULTS:
        reasons.append(f'{use.faults} page faults')
    return reasons
