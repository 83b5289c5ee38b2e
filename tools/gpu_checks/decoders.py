"""Kernels of oriented boxes and detectors that are no YOLO, on outputs as large as networks'."""

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

# The modules of the kernels' tests make the outputs.
sys.path.append(str(Path(__file__).resolve().parents[2] / 'test/cuda'))

_BAR_MS = 0.05


def check_decoders(device: CudaDevice, checks: Checks, repeats: int, runs: int) -> None:
    """Compare what kernels and CPU find in the same outputs, and time the kernels."""
    import box_cases
    import oriented_box_cases

    say('kernels of detectors that are no YOLO')
    with device.pushed(), closing(GraphTimer(device, repeats, runs)) as timer:
        for cases in (box_cases, oriented_box_cases):
            for parameters in cases.NETWORKS:
                (case,) = parameters.values
                _check_case(device, timer, checks, cases, parameters.id, case)


def _check_case(
    device: CudaDevice, timer: GraphTimer, checks: Checks, cases: Any, name: str, case: Any
) -> None:
    with closing(cases.OnDevice(device, case)) as on_device:
        found, twin = on_device.decoded(case), cases.expected(case)
        elapsed_ms = timer.milliseconds(
            lambda: on_device.decoder.enqueue_kernels(on_device.outputs, timer.stream)
        )
    difference = ''
    try:
        cases.assert_same(found, twin, case.layout)
    except AssertionError as error:
        difference = ' '.join(str(error).split())[:200] or 'another number of boxes'
    shown = difference or f'{len(found)} boxes'
    checks.holds(f'{name}: the kernels find what the CPU finds', not difference, shown)
    if case.options.score_threshold:
        checks.at_most(f'{name}: decoding, ms', elapsed_ms, _BAR_MS)
    else:  # every cell is a box
        checks.note(f'{name}: decoding, ms', elapsed_ms)
