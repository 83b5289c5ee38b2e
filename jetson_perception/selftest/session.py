"""Choose the checks that this machine can run, and run them."""

from __future__ import annotations

import os
import re
import tempfile
import time
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from itertools import islice
from json import dumps
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jetson_perception.doctor import Machine, can_do_main_job, examine
from jetson_perception.doctor.machine import last_object
from jetson_perception.errors import ModelError, ParameterError
from jetson_perception.evaluation.scenes import open_scene
from jetson_perception.files.private_files import PrivateFolder
from jetson_perception.images.picture_files import write_picture
from jetson_perception.model_info import RUNTIMES
from jetson_perception.printable import printable
from jetson_perception.resources import INT8_TWINS, has_int8_twin, int8_twin_path, model_path
from jetson_perception.selftest.checks import Task
from jetson_perception.selftest.claims import FAIL, NOT_HERE, PASS, Result

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from jetson_perception.doctor import Finding

MODELS = ('oranges', 'people_detect', 'people_pose')
SCENES = ('oranges', 'people')
_CPU = 'onnxruntime_cpu'
_BUILDER = 'tensorrt'
_BUILT = ('cache', 'refusals', 'cancel')  # claims about engine files
_CHECKS_MODULE = 'jetson_perception.selftest.checks'
_TENSORRT_MODULES = ('tensorrt', 'tensorrt_rtx', 'tensorrt_rtx_bindings')
_LOG_LINES = 40


@dataclass(frozen=True)
class Settings:
    """What to check.

    Attributes
    ----------
    runtimes : tuple of str
        Some of `RUNTIMES`, without 'auto'.
    precisions : tuple of str
        For engine files.
    models : tuple of str
        Names of the package's models.
    pictures : int
        How many of each scene.
    timeout_s : float
        For one check; building engines takes most of it.
    cache : Path or None
        Folder for engine files; None for a temporary one.
    """

    runtimes: tuple[str, ...] = tuple(name for name in RUNTIMES if name != 'auto')
    precisions: tuple[str, ...] = ('fp32', 'fp16', 'int8')
    models: tuple[str, ...] = MODELS
    pictures: int = 8
    timeout_s: float = 1800.0
    cache: Path | None = None


def run_session(
    settings: Settings,
    on_findings: Callable[[list[Finding]], None] = lambda findings: None,
    machine: Machine | None = None,
) -> Iterator[Result]:
    """Run the checks and yield results as they come.

    Parameters
    ----------
    settings : Settings
    on_findings : callable
        Called with the doctor's findings, before the checks.
    machine : Machine, optional
        Where the checks run; by default this machine, with the session's own cache.
    """
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix='selftest_')))
        cache = settings.cache or folder / 'cache'
        _require_folder(cache)
        # The checks must not damage the cache of the user's nodes.
        _copy_int8_twins(cache)
        machine = machine or Machine(environ={**os.environ, 'XDG_CACHE_HOME': str(cache)})
        begun = time.perf_counter()
        findings = list(examine(machine))
        on_findings(findings)
        works = can_do_main_job(findings)
        yield Result(
            'machine',
            '',
            PASS if works else FAIL,
            '' if works else 'see what the doctor says',
            seconds=time.perf_counter() - begun,
        )
        write_pictures(folder, settings.pictures)
        for task, lacking in plan(settings, machine, folder):
            yield (
                Result(task.claim, task.subject, NOT_HERE, lacking)
                if lacking
                else _run(task, machine, settings.timeout_s)
            )


def plan(settings: Settings, machine: Machine, folder: Path) -> Iterator[tuple[Task, str]]:
    """Every check, and why it cannot run here; empty if it can."""
    for model in settings.models:
        yield Task('truth', (model,)), ''
    for runtime in settings.runtimes:
        reason = why_not_here(runtime, machine)
        if reason:
            claims = ('agrees', 'pipeline', 'together', *(_BUILT if runtime == _BUILDER else ()))
            for claim in claims:
                yield Task(claim, runtime=runtime), reason
            continue
        # Other runtimes compute in the types of the file: fp32, except for INT8 models.
        precisions = settings.precisions if runtime == _BUILDER else ('fp32', 'int8')
        for precision in precisions:
            yield from _plan_precision(settings, runtime, precision, str(folder))
        if runtime == _BUILDER:
            for claim in _BUILT:
                own = folder / claim
                own.mkdir(mode=0o700, exist_ok=True)
                smallest = settings.models[:1]
                yield Task(claim, smallest, runtime, 'fp16', str(folder), str(own)), ''


def _plan_precision(
    settings: Settings, runtime: str, precision: str, pictures: str
) -> Iterator[tuple[Task, str]]:
    names, lacking = _models(settings.models, precision)
    for name in names:
        if runtime != _CPU:  # the CPU is the reference
            yield Task('agrees', (name,), runtime, precision, pictures), ''
        yield Task('pipeline', (name,), runtime, precision, pictures), ''
    if len(names) > 1:
        yield Task('together', tuple(names), runtime, precision, pictures), ''
    for name, reason in lacking.items():
        yield Task('pipeline', (name,), runtime, precision), reason


def _models(models: tuple[str, ...], precision: str) -> tuple[list[str], dict[str, str]]:
    """Names of the models to run in a precision, and why the others are left out."""
    if precision != 'int8':
        return list(models), {}
    there, lacking = [], {}
    for name in models:
        try:
            model_path(f'{name}_int8')
        except ModelError as err:
            is_twin = f'{name}_int8' in INT8_TWINS
            lacking[name] = str(err) if is_twin else 'it has no INT8 twin'
        else:
            there.append(f'{name}_int8')
    return there, lacking


def _require_folder(cache: Path) -> None:
    """Make the folder for engines, and require that files can be written there.

    Raises
    ------
    ParameterError
        When they cannot.
    """
    try:
        cache.mkdir(mode=0o700, parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=cache):
            pass
    except (OSError, ValueError) as err:  # ValueError for a NUL in the name
        reason = err.strerror if isinstance(err, OSError) else err
        raise ParameterError(
            f'--cache {printable(cache)} cannot be used: {reason}; expected a folder that you can '
            'write to',
            'cache',
        ) from err


def _copy_int8_twins(cache: Path) -> None:
    """Make the INT8 models in the user's cache available to the checks."""
    for name in INT8_TWINS:
        try:
            made = has_int8_twin(name)
        except ModelError:  # the scenes are not installed
            return
        if made:
            folder = int8_twin_path(name).parent
            path = cache / 'jetson_perception' / 'models' / folder.name
            target = PrivateFolder(path, holds='models', error=ModelError)
            target.make()
            for file in folder.glob(f'{name}.*'):
                target.write(file.name, file.read_bytes())


def why_not_here(runtime: str, machine: Machine) -> str:
    """Why a runtime cannot be used on this machine; empty if it should work."""
    if runtime == _CPU:
        return ''
    driver = machine.probe('cuda')
    if not driver.get('devices'):
        return f'no GPU: {driver.get("error") or "the driver finds none"}'
    pycuda = machine.probe('module', 'pycuda.driver')
    if not pycuda.get('version'):
        return f'pycuda: {pycuda.get("error") or "not installed"}'
    if runtime == 'onnxruntime_cuda':
        providers = machine.probe('onnxruntime').get('providers', [])
        return (
            '' if 'CUDAExecutionProvider' in providers else 'ONNX Runtime was built without CUDA'
        )
    found = [machine.probe('module', name) for name in _TENSORRT_MODULES]
    if any(each.get('version') for each in found):
        return ''
    reasons = [each['error'] for each in found if each.get('error')]
    return f'TensorRT: {reasons[0] if reasons else "not installed"}'


def write_pictures(folder: Path, count: int) -> None:
    """Pictures of every scene, lossless, so that all checks see the same pixels."""
    for scene in SCENES:
        pictures: Any = open_scene(f'scene://{scene}?count={count}').pictures
        for index, picture in enumerate(islice(pictures, count)):
            write_picture(folder / f'{scene}_{index:03d}.png', picture.bgr)


def _run(task: Task, machine: Machine, timeout_s: float) -> Result:
    begun = time.perf_counter()
    answer = machine.run_main(_CHECKS_MODULE, dumps(asdict(task)), timeout_s=timeout_s)
    seconds = time.perf_counter() - begun
    verdict = {} if answer.problem else last_object(answer.output)
    problem = answer.problem or verdict.get('error', '')
    log = '\n'.join(_readable(answer.errors).splitlines()[-_LOG_LINES:])
    if problem:
        return Result(task.claim, task.subject, FAIL, problem, log=log, seconds=seconds)
    return Result(task.claim, task.subject, **verdict, log=log, seconds=seconds)


def _readable(text: str) -> str:
    return re.sub(r'\x1b\[[0-9;]*m', '', text)
