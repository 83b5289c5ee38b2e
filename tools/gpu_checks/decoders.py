"""Kernels of detectors that are no YOLO, and of a mask's confidence, on outputs of usual sizes."""

from __future__ import annotations

import importlib
import sys
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gpu_checks.checks import say
from gpu_checks.timer import GraphTimer

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from gpu_checks.checks import Checks, Options
    from jetson_perception.cuda.device import CudaDevice

# The modules of the kernels' tests make the outputs.
sys.path.append(str(Path(__file__).resolve().parents[2] / 'test/cuda'))

_BAR_MS = 0.05
#: Launches recorded in one graph, so that the host's part in a launch is not timed.
_REPEATS = 20
_RUNS = 30
#: Of the modules that make outputs.
_CASES = ('box_cases', 'oriented_box_cases', 'head_cases', 'people_cases', 'selected_cases')


def run(options: Options, checks: Checks) -> None:
    """Check every decoder; does nothing without a GPU."""
    if options.device == 'cpu':
        return
    from jetson_perception.cuda.device import CudaDevice

    with closing(CudaDevice.get(0)) as device:
        check_decoders(device, checks, _REPEATS, _RUNS)
        check_confidence(device, checks, _REPEATS, _RUNS)


def check_decoders(
    device: CudaDevice,
    checks: Checks,
    repeats: int,
    runs: int,
    modules: Sequence[str] = _CASES,
) -> None:
    """Compare what kernels and CPU find in the same outputs, and time the kernels."""
    say('kernels of detectors that are no YOLO')
    with device.pushed(), closing(GraphTimer(device, repeats, runs)) as timer:
        for name in modules:
            cases = importlib.import_module(name)
            for parameters in cases.NETWORKS:
                (case,) = parameters.values
                _check_case(device, timer, checks, cases, parameters.id, case)


def check_confidence(device: CudaDevice, checks: Checks, repeats: int, runs: int) -> None:
    """The same for how likely the classes of a mask are."""
    import segmentation_cases

    say("kernels of a mask's confidence")
    with device.pushed(), closing(GraphTimer(device, repeats, runs)) as timer:
        for parameters in segmentation_cases.CONFIDENCE_NETWORKS:
            (case,) = parameters.values
            with closing(segmentation_cases.ConfidenceOnDevice(device, case)) as on_device:
                difference = _difference(on_device.check)
                enqueue = partial(
                    on_device.confidence.enqueue_kernels, *on_device.frame(), timer.stream
                )
                elapsed_ms = timer.milliseconds(enqueue)
            what = f'confidence, {parameters.id}'
            shown = difference or 'to the last 255th or the one before'
            checks.holds(f'{what}: the kernels find what the CPU finds', not difference, shown)
            checks.at_most(f'{what}: ms', elapsed_ms, _BAR_MS)


def _difference(compare: Callable[[], None]) -> str:
    """What a comparison says; empty where nothing differs."""
    try:
        compare()
    except AssertionError as error:
        return ' '.join(str(error).split())[:200] or 'another number of boxes'
    return ''


def _check_case(
    device: CudaDevice, timer: GraphTimer, checks: Checks, cases: Any, name: str, case: Any
) -> None:
    with closing(cases.OnDevice(device, case)) as on_device:
        found, twin = on_device.decoded(case), cases.expected(case)
        elapsed_ms = timer.milliseconds(
            lambda: on_device.decoder.enqueue_kernels(on_device.outputs, timer.stream)
        )
    difference = _difference(lambda: cases.assert_same(found, twin, case.layout))
    shown = difference or f'{len(found)} boxes'
    checks.holds(f'{name}: the kernels find what the CPU finds', not difference, shown)
    if case.options.score_threshold:
        checks.at_most(f'{name}: decoding, ms', elapsed_ms, _BAR_MS)
    else:  # every cell is a box
        checks.note(f'{name}: decoding, ms', elapsed_ms)
