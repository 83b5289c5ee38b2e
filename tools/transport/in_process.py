"""What a frame takes in a node that reads its source itself, but for inference."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING

from transport import nodes
from transport.lab import Lab
from transport.outcomes import Outcome
from transport.rates import SECOND_NS, latencies_ms, percentile

if TYPE_CHECKING:
    from collections.abc import Iterator

_MEDIAN_MS = 2.0
_PATIENCE_S = 30.0


def in_process(seconds: int, *, stock: bool) -> Iterator[Outcome]:
    """From capture to a message that another process has; nobody subscribes to images.

    A rendered scene stands for the camera: its frames are stamped when they are complete, as a
    driver's are, and nothing is rendered while the engine works.
    """
    del stock  # shared memory has none of the kernel's buffers
    name = 'yolo_node reads 720p at 30 Hz itself'
    bar = f'each answered; without inference ≤ {_MEDIAN_MS:g} ms'
    with Lab() as lab:
        place = lab.place(lab.network.host('robot'))
        _, heard = lab.listener(place, nodes.DETECTIONS)
        stages = lab.program('stages', place, nodes.STATS)
        node = lab.node(nodes.yolo_node(lab, **nodes.SCENE), place)
        if not lab.wait_for(lambda: heard.of(nodes.ANSWERS), _PATIENCE_S):
            yield Outcome('in_process', name, bar, 'no answer', False)
            return
        lab.spend(3.0)
        begin_ns, begin_cpu_s = time.time_ns(), node.cpu_s()
        lab.spend(seconds)
        end_ns = time.time_ns()
        cpu = 100 * (node.cpu_s() - begin_cpu_s) / ((end_ns - begin_ns) / SECOND_NS)
        found_ms = latencies_ms(heard.of(nodes.ANSWERS), begin_ns, end_ns)
        stages_ms = json.loads(stages.lines()[-1])
    inference_ms = stages_ms['inference']
    without_ms = [each - inference_ms for each in found_ms]
    median_ms, p99_ms = percentile(without_ms, 50), percentile(without_ms, 99)
    of = round((end_ns - begin_ns) / SECOND_NS * nodes.SCENE['frame_rate'])
    text = (
        f'{len(found_ms)} of {of}; {median_ms:.2f} ms, 99 % {p99_ms:.2f} ms (inference '
        f'{inference_ms:.2f}); node {cpu:.0f} %'
    )
    record = {
        'answered': len(found_ms),
        'sent': of,
        'median_ms': median_ms,
        'p99_ms': p99_ms,
        'stages_ms': stages_ms,
        'cpu_percent': cpu,
    }
    # Of a rate that is not counted by the sender, one more or less is none.
    kept = len(found_ms) >= of - 1 and median_ms <= _MEDIAN_MS
    yield Outcome('in_process', name, bar, text, kept, record)
