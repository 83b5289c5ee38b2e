"""What recording a trace costs a frame: CPU time and latency, with and without, in turns.

python tools/measure_trace_cost.py MODEL [--pairs 40] [--frames 60]
"""

from __future__ import annotations

import argparse
import queue
import statistics
import time

import numpy as np

from jetson_perception import open_model
from jetson_perception.pipeline import Frame, Pipeline, make_lane
from jetson_perception.tracing import RECORDER

_PAUSE_S = 0.001


def main() -> None:
    """Measure, and print medians."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('model')
    parser.add_argument('--pairs', type=int, default=40)
    parser.add_argument('--frames', type=int, default=60)
    arguments = parser.parse_args()
    model = open_model(arguments.model, runtime='onnxruntime_cpu')
    options = model.task.options(model, model.task.params_with())
    out: queue.SimpleQueue[int] = queue.SimpleQueue()
    lane = make_lane('det', model, lambda frame, result: None, lambda: options)
    pipeline = Pipeline([lane], lambda frame: out.put(time.monotonic_ns()))
    pipeline.start()
    _frames(pipeline, out, arguments.frames)  # what is slow once
    off, extra = [], []
    for pair in range(arguments.pairs):
        found = {}
        for records in (pair % 2 == 0, pair % 2 != 0):
            RECORDER.keep('measured', keeps=records)
            found[records] = _frames(pipeline, out, arguments.frames)
        off.append(found[False])
        extra.append(found[True] - found[False])
    RECORDER.keep('measured', keeps=False)
    pipeline.close()
    model.close()
    cpu, latency = np.median(off, axis=0)
    more_cpu, more_latency = np.median(extra, axis=0)
    print(f'{arguments.pairs} pairs of {arguments.frames} frames of 1280×720, medians')
    print(f'CPU time a frame: {cpu:.3f} ms, and {more_cpu:+.3f} while it is recorded')
    print(f'latency:          {latency:.3f} ms, and {more_latency:+.3f} while it is recorded')


def _frames(pipeline: Pipeline, out: queue.SimpleQueue[int], count: int) -> np.ndarray:
    """CPU time and median latency of a frame, ms."""
    image = np.zeros((720, 1280, 3), np.uint8)
    latencies_ms = []
    began_ns = time.process_time_ns()
    for number in range(count):
        frame = Frame(lambda: image, age_ms=1.0)
        frame.stamp_ns = number + 1
        pipeline.offer(frame)
        latencies_ms.append((out.get() - frame.received_ns) / 1e6)
        time.sleep(_PAUSE_S)
    cpu_ms = (time.process_time_ns() - began_ns) / count / 1e6
    return np.array((cpu_ms, statistics.median(latencies_ms)))


if __name__ == '__main__':
    main()
