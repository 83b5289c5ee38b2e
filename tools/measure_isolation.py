#!/usr/bin/env python3
"""Measure what `isolation: process` costs: time of an inference, memory, and the time to be back.

    source tools/env.sh && python tools/measure_isolation.py people_detect oranges

Each model is opened both ways, and infers the same tensor in turns: a few times in this process,
then as often in one of its own. Prints medians, the memory of the other process (proportional set
size, MB of 10⁶ bytes), and how long there is no answer after that process was killed.
"""

from __future__ import annotations

import argparse
import os
import re
import signal
import statistics
import sys
import time
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from jetson_perception.engines import Engine, open_engine  # noqa: E402
from jetson_perception.errors import ModelError  # noqa: E402
from jetson_perception.models.model_file import resolve_model  # noqa: E402

if TYPE_CHECKING:
    from numpy.typing import NDArray

#: How many inferences are made one after another before the other engine has its turn.
_TURN = 10


def main() -> None:
    """Print a row for each model."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument('models', nargs='+', help='files, or names of models of the package')
    parser.add_argument('--count', type=int, default=200, help='inferences each way (200)')
    parser.add_argument('--runtime', default='auto')
    parser.add_argument('--threads', type=int, default=0)
    arguments = parser.parse_args()
    print('| model | input | outputs | in the node | in a process | more | memory | back after |')
    print('| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: |')
    for model in arguments.models:
        print(measured(model, arguments), flush=True)


def measured(model: str, arguments: argparse.Namespace) -> str:
    """The row of a model."""
    given = {'runtime': arguments.runtime, 'threads': arguments.threads}
    path = resolve_model(model)
    with (
        closing(open_engine(path, **given)) as ours,
        closing(open_engine(path, isolation='process', **given)) as other,
    ):
        spec = ours.inputs[0]
        tensor: NDArray[Any] = np.random.default_rng(0).random(spec.shape).astype(spec.dtype)
        outputs_mb = sum(each.nbytes for each in ours.infer(tensor)) / 1e6
        other.infer(tensor)
        times_ms: dict[bool, list[float]] = {False: [], True: []}
        for _ in range(-(-arguments.count // _TURN)):
            for engine in (ours, other):
                times_ms[engine is other] += [timed_ms(engine, tensor) for _ in range(_TURN)]
        plain_ms, isolated_ms = (statistics.median(times_ms[each]) for each in (False, True))
        memory_mb = pss_mb(pid_of(other))
        os.kill(pid_of(other), signal.SIGKILL)
        back_s = time_without_answer(other, tensor)
    return (
        f'| {path.stem} | {tensor.nbytes / 1e6:.1f} MB | {outputs_mb:.1f} MB '
        f'| {plain_ms:.2f} ms | {isolated_ms:.2f} ms | {isolated_ms - plain_ms:.2f} ms '
        f'| {memory_mb:.0f} MB | {back_s:.1f} s |'
    )


def pid_of(engine: Any) -> int:
    """Id of the process of an engine."""
    return int(engine.pid)


def timed_ms(engine: Engine, tensor: NDArray[Any]) -> float:
    """How long an inference takes."""
    begun = time.perf_counter()
    engine.infer(tensor)
    return 1e3 * (time.perf_counter() - begun)


def time_without_answer(engine: Engine, tensor: NDArray[Any]) -> float:
    """Seconds until an engine infers again."""
    begun = time.monotonic()
    while True:
        try:
            engine.infer(tensor)
        except ModelError:
            time.sleep(0.01)
        else:
            return time.monotonic() - begun


def pss_mb(pid: int) -> float:
    """Memory of a process, with its share of what others use too."""
    (size_kb,) = re.findall(r'^Pss: +(\d+)', Path(f'/proc/{pid}/smaps_rollup').read_text(), re.M)
    return int(size_kb) * 1024 / 1e6


if __name__ == '__main__':
    main()
