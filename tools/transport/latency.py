"""How long a yolo_node takes from image to answer, but for inference, and what that costs."""

from __future__ import annotations

import json
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from transport import nodes
from transport.lab import Lab
from transport.outcomes import Outcome
from transport.rates import SECOND_NS, answered, latencies_ms, percentile

if TYPE_CHECKING:
    from collections.abc import Iterator

    from transport.notes import Note, Notes
    from transport.processes import Program

_MEDIAN_MS, _P99_MS, _CPU_PERCENT = 5.0, 8.0, 35.0
_IN_PROCESS_MEDIAN_MS = 2.0
_PATIENCE_S = 30.0
#: Until then a node that has just started does more than answer.
_SETTLE_S = 3.0


@dataclass(frozen=True)
class _Measured:
    """Some seconds of a node.

    Attributes
    ----------
    begin_ns, end_ns : int
        When they began and ended.
    answers : list of Note
        All that was answered until now.
    stages_ms : dict
        Median of each stage, as the node itself has measured it.
    cpu_percent : float
        Processor time of the node, of one core.
    """

    begin_ns: int
    end_ns: int
    answers: list[Note]
    stages_ms: dict[str, float]
    cpu_percent: float

    @property
    def without_inference_ms(self) -> list[float]:
        """From stamp to answer, for what was heard in these seconds; sorted."""
        inference_ms = self.stages_ms['inference']
        found_ms = latencies_ms(self.answers, self.begin_ns, self.end_ns)
        return [each - inference_ms for each in found_ms]

    @property
    def median_ms(self) -> float:
        """Median without inference."""
        return percentile(self.without_inference_ms, 50)

    @property
    def p99_ms(self) -> float:
        """What 99 % do not exceed, without inference."""
        return percentile(self.without_inference_ms, 99)

    def text(self, count: int, of: int) -> str:
        """For the table."""
        inference_ms = self.stages_ms['inference']
        return (
            f'{count} of {of}; {self.median_ms:.2f} ms, 99 % {self.p99_ms:.2f} ms (inference '
            f'{inference_ms:.2f}); node {self.cpu_percent:.0f} %'
        )

    def record(self, count: int, of: int) -> dict[str, Any]:
        """For JSON."""
        return {
            'answered': count,
            'sent': of,
            'median_ms': self.median_ms,
            'p99_ms': self.p99_ms,
            'stages_ms': self.stages_ms,
            'cpu_percent': self.cpu_percent,
        }


def latency(seconds: int, *, stock: bool) -> Iterator[Outcome]:
    """camera_node and yolo_node with nothing set: answers, latency, and the node's cost."""
    del stock  # shared memory has none of the kernel's buffers
    bar = (
        f'each answered; without inference ≤ {_MEDIAN_MS:g} ms, 99 % ≤ {_P99_MS:g} ms; node ≤ '
        f'{_CPU_PERCENT:g} % of a core'
    )
    name = 'camera_node and yolo_node, 720p at 30 Hz'
    with Lab() as lab:
        place = lab.place(lab.network.host('robot'))
        _, heard = lab.listener(place, nodes.DETECTIONS)
        _, sent = lab.listener(place, nodes.SENT_BY_CAMERA_NODE)
        stages = lab.program('stages', place, nodes.STATS)
        node = lab.node(nodes.yolo_node(lab), place)
        lab.node(nodes.camera_node(), place)
        found = _measure(lab, heard, stages, node, seconds)
        images = sent.of(nodes.CAMERA_INFO)
    if found is None:
        yield Outcome('latency', name, bar, 'no answer', False)
        return
    count, of = answered(images, found.answers, found.begin_ns, found.end_ns)
    fast = found.median_ms <= _MEDIAN_MS and found.p99_ms <= _P99_MS
    kept = count == of > 0 and fast and found.cpu_percent <= _CPU_PERCENT
    yield Outcome('latency', name, bar, found.text(count, of), kept, found.record(count, of))


def in_process(seconds: int, *, stock: bool) -> Iterator[Outcome]:
    """From capture to a message that another process has; nobody subscribes to images.

    A rendered scene stands for the camera: its frames are stamped when they are complete, as a
    driver's are, and nothing is rendered while the engine works.
    """
    del stock  # shared memory has none of the kernel's buffers
    name = 'yolo_node reads 720p at 30 Hz itself'
    bar = f'each answered; without inference ≤ {_IN_PROCESS_MEDIAN_MS:g} ms'
    with Lab() as lab:
        place = lab.place(lab.network.host('robot'))
        _, heard = lab.listener(place, nodes.DETECTIONS)
        stages = lab.program('stages', place, nodes.STATS)
        node = lab.node(nodes.yolo_node(lab, **nodes.SCENE), place)
        found = _measure(lab, heard, stages, node, seconds)
    if found is None:
        yield Outcome('in_process', name, bar, 'no answer', False)
        return
    count = len(found.without_inference_ms)
    of = round((found.end_ns - found.begin_ns) / SECOND_NS * nodes.SCENE['frame_rate'])
    # Nobody notes what is sent, so one more or less at either end is no loss.
    kept = count >= of - 1 and found.median_ms <= _IN_PROCESS_MEDIAN_MS
    yield Outcome('in_process', name, bar, found.text(count, of), kept, found.record(count, of))


def _measure(
    lab: Lab, heard: Notes, stages: Program, node: Program, seconds: int
) -> _Measured | None:
    """Some seconds of a node that has just been started; None where it answers nothing."""
    if not lab.wait_for(lambda: heard.of(nodes.ANSWERS), _PATIENCE_S):
        return None
    lab.spend(_SETTLE_S)
    begin_ns, begin_cpu_s = time.time_ns(), node.cpu_s()
    lab.spend(seconds)
    end_ns, cpu_s = time.time_ns(), node.cpu_s() - begin_cpu_s
    lab.spend(1.0)  # what was sent last may still be answered
    return _Measured(
        begin_ns,
        end_ns,
        heard.of(nodes.ANSWERS),
        json.loads(stages.lines()[-1]),
        100 * cpu_s / ((end_ns - begin_ns) / SECOND_NS),
    )
