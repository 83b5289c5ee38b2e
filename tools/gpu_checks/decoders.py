"""Kernels of detectors that are no YOLO, on outputs of the sizes that networks have."""

from __future__ import annotations

import sys
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gpu_checks.checks import say
from gpu_checks.timer import GraphTimer

if TYPE_CHECKING:
    from gpu_checks.checks import Checks
    from jetson_perception.cuda.device import CudaDevice
    from jetson_perception.tasks.results import Detections

# The modules of the kernels' tests make the outputs.
sys.path.append(str(Path(__file__).resolve().parents[2] / 'test/cuda'))

_BAR_MS = 0.05


def check_decoders(device: CudaDevice, checks: Checks, repeats: int, runs: int) -> None:
    """Compare what kernels and CPU find in the same outputs, and time the kernels."""
    import box_cases

    say('kernels of detectors that are no YOLO')
    with device.pushed(), closing(GraphTimer(device, repeats, runs)) as timer:
        for parameters in box_cases.NETWORKS:
            (case,) = parameters.values
            with closing(box_cases.OnDevice(device, case)) as on_device:
                found, twin = on_device.decoded(case), box_cases.expected(case)
                elapsed_ms = timer.milliseconds(
                    lambda used=on_device: used.decoder.enqueue_kernels(used.outputs, timer.stream)
                )
            difference = _difference(found, twin, case)
            shown = difference or f'{len(found)} boxes'
            checks.holds(
                f'{parameters.id}: the kernels find what the CPU finds', not difference, shown
            )
            name = f'{parameters.id}: decoding, ms'
            if case.options.score_threshold:
                checks.at_most(name, elapsed_ms, _BAR_MS)
            else:  # every cell is a box
                checks.note(name, elapsed_ms)


def _difference(found: Detections, twin: Detections, case: Any) -> str:
    """Where the results differ, in a line; '' if they do not."""
    import box_cases

    try:
        box_cases.assert_same(found, twin, case.layout)
    except AssertionError as error:
        return ' '.join(str(error).split())[:200] or 'another number of boxes'
    return ''
