"""Builds TensorRT engines from ONNX files, in a separate process.

A build takes minutes, and gigabytes that the parent would never get back. On a Jetson the kernel
may kill it when memory runs out, and before version 9.1 nothing can cancel it. In a separate
process, all this affects only the build.
"""

from __future__ import annotations

import itertools
import json
import logging
import os
import selectors
import shlex
import signal
import subprocess
import tempfile
import threading
import time
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from jetson_perception.engines.onnx_file.graph import has_quantization
from jetson_perception.engines.onnxruntime.cpu import check_model_file
from jetson_perception.engines.tensorrt.build_options import PRECISIONS, BuildOptions
from jetson_perception.errors import (
    BuildCanceled,
    ModelError,
    ParameterError,
    PerceptionError,
)
from jetson_perception.printable import counted
from jetson_perception.process.modules import module_command, module_environment

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from numpy.typing import NDArray

    Progress = Callable[[float | None, str], None]

__all__ = ['PRECISIONS', 'BuildOptions', 'BuiltEngine', 'build_engine', 'trtexec_line']

_log = logging.getLogger('jetson_perception.tensorrt')

_VISIBLE = 'CUDA_VISIBLE_DEVICES'

_POLL_S = 0.1  # how soon a cancellation takes effect
_END_S = 5.0  # how long a process or thread that is done may take to end


@dataclass(frozen=True)
class BuiltEngine:
    """An engine, and how it was built.

    Attributes
    ----------
    plan : bytes
        For `deserialize_cuda_engine`.
    tensorrt : str
        The version that built it, such as 'TensorRT 10.3.0'.
    gpu : str
        The GPU that it was built on; '' for TensorRT-RTX without a GPU.
    options : BuildOptions
        How it was built.
    layers : int
        Number of layers in the network, before TensorRT fuses them.
    workspace_mib : int
        The limit that was set.
    shapes : mapping of str to three lists
        Smallest, best and largest shape of each input with open dimensions.
    flags : tuple of str
        The builder flags that were set, such as 'FP16'.
    notes : tuple of str
        What else a user may want to know about the build.
    elapsed_s : float
        How long it took, including the start of the process.
    """

    plan: bytes
    tensorrt: str
    gpu: str
    options: BuildOptions
    layers: int
    workspace_mib: int
    shapes: Mapping[str, list[list[int]]]
    flags: tuple[str, ...]
    notes: tuple[str, ...]
    elapsed_s: float


def build_engine(
    path: str | Path,
    options: BuildOptions | None = None,
    *,
    size_wh: tuple[int, int] | None = None,
    calibration: Iterable[NDArray[np.generic]] | None = None,
    progress: Progress | None = None,
    cancel: threading.Event | None = None,
    device: int = 0,
) -> BuiltEngine:
    """Build an engine in a separate process.

    Parameters
    ----------
    path : str or Path
        The ONNX file, with its external data beside it.
    options : BuildOptions, optional
        How to build it.
    size_wh : tuple of int, optional
        Width and height if the model leaves them open and the options do not set them: the size
        that it was trained at, according to the metadata.
    calibration : iterable of ndarray, shape (1, 3, h, w), float32
        Input tensors to measure INT8 ranges on, for a model without Q/DQ nodes. TensorRT up to
        10.x measures them itself; for other versions, ONNX Runtime quantizes the model first.
    progress : callable, optional
        Called in this thread with the fraction that is done (None while it is unknown) and the
        current phase.
    cancel : Event, optional
        Once set, the build ends within a fraction of a second.
    device : int
        Index of the GPU to build on and for, in this process's numbering.

    Raises
    ------
    ModelError
        When the file cannot be used, or TensorRT cannot build it; the message has TensorRT's
        first error.
    ParameterError
        When an option does not fit the model or this TensorRT; the error names it.
    BuildCanceled
        When `cancel` was set.
    """
    options = options or BuildOptions()
    path = check_model_file(path)
    begun = time.perf_counter()
    with ExitStack() as stack:
        used = path
        notes: list[str] = []
        if calibration is not None and not _needs_calibrator(path, options):
            quantized = _quantized(path, options, calibration, stack, notes)
            used, calibration = quantized or path, None
        environment = _environment(device)
        done, plan = _in_a_child(
            used, options, size_wh, calibration, progress, cancel, stack, environment
        )
    return BuiltEngine(
        plan=plan,
        tensorrt=done['tensorrt'],
        gpu=done['gpu'],
        options=options,
        layers=done['layers'],
        workspace_mib=done['workspace_mib'],
        shapes=done['shapes'],
        flags=tuple(done['flags']),
        notes=(*notes, *done['notes']),
        elapsed_s=time.perf_counter() - begun,
    )


def _needs_calibrator(path: Path, options: BuildOptions) -> bool:
    from jetson_perception.engines.tensorrt.api import import_tensorrt
    from jetson_perception.engines.tensorrt.calibrator import has_calibrator

    if options.precision not in ('int8', 'best') or has_quantization(path):
        return False
    return has_calibrator(import_tensorrt()) and not options.strongly_typed


def _quantized(
    path: Path,
    options: BuildOptions,
    calibration: Iterable[NDArray[np.generic]],
    stack: ExitStack,
    notes: list[str],
) -> Path | None:
    """A quantized model for a TensorRT without calibrators; None if INT8 is not wanted."""
    from jetson_perception.engines.onnx_file.quantization import quantize_model

    if options.precision not in ('int8', 'best') or has_quantization(path):
        return None
    folder = stack.enter_context(tempfile.TemporaryDirectory(prefix='jetson_perception_'))
    quantized = Path(folder) / path.name
    made = quantize_model(path, quantized, calibration)
    notes.append(
        f'quantized on {counted(made.pictures, "image")} before the build; '
        f'{counted(made.kept, "node")} in float'
    )
    return quantized


def _in_a_child(
    path: Path,
    options: BuildOptions,
    size_wh: tuple[int, int] | None,
    calibration: Iterable[NDArray[np.generic]] | None,
    progress: Progress | None,
    cancel: threading.Event | None,
    stack: ExitStack,
    environment: Mapping[str, str],
) -> tuple[dict[str, Any], bytes]:
    # Files without names: nothing is left behind, whichever process is killed.
    plan_file, output = (stack.enter_context(_nameless_file()) for _ in range(2))
    events, events_end = os.pipe()
    stack.callback(os.close, events)
    request: dict[str, Any] = {
        'path': str(path),
        'options': options.as_json(),
        'size_wh': size_wh,
        'plan': plan_file.fileno(),
        'events': events_end,
        'calibration': None,
    }
    passed = [plan_file.fileno(), events_end]
    feeder = None
    if calibration is not None:
        feeder = _Feeder(calibration)
        request.update(calibration=feeder.read_end, calibration_shape=feeder.shape)
        passed.append(feeder.read_end)
    try:
        child = subprocess.Popen(
            module_command('jetson_perception.engines.tensorrt.build_worker'),
            stdin=subprocess.PIPE,
            stdout=output,
            stderr=output,
            pass_fds=passed,
            env=environment,
            # Ctrl-C reaches only the parent, which then ends the child.
            start_new_session=True,
        )
    finally:
        os.close(events_end)
        if feeder:
            feeder.close_read_end()
    if feeder:
        feeder.start()
        stack.callback(feeder.join)  # after the child's end: until then it may wait to write
    stack.callback(_end, child)
    assert child.stdin is not None
    with suppress(BrokenPipeError):  # the child ended early; its output says why
        child.stdin.write(json.dumps(request).encode() + b'\n')
        child.stdin.flush()
    done = None
    for event in _events(events, cancel, path):
        if 'progress' in event and progress:
            progress(event['progress'], event['phase'])
        elif 'log' in event:
            logging.getLogger(event['name']).log(event['log'], '%s', event['text'])
        elif 'error' in event:
            raise _error(event)
        elif 'done' in event:
            done = event['done']
    code = _exit_code(child)
    if feeder and feeder.problem:
        raise feeder.problem
    if done is None:
        raise _died(path, code, _tail(output))
    plan_file.seek(0)
    return done, plan_file.read()


def _nameless_file() -> Any:
    return tempfile.TemporaryFile()


def _environment(device: int = 0) -> dict[str, str]:
    """The child's environment: ours, with this package on its path and the wanted GPU first."""
    environment = module_environment()
    if device:
        visible = [name for name in os.environ.get(_VISIBLE, '').split(',') if name]
        environment[_VISIBLE] = visible[device] if device < len(visible) else str(device)
    return environment


def _events(
    descriptor: int, cancel: threading.Event | None, path: Path
) -> Iterator[dict[str, Any]]:
    """The child's events, until it closes its end of the pipe."""
    received = b''
    with selectors.DefaultSelector() as selector:
        selector.register(descriptor, selectors.EVENT_READ)
        while True:
            if cancel is not None and cancel.is_set():
                raise BuildCanceled(f'{path}: building the engine was canceled')
            if not selector.select(_POLL_S if cancel is not None else None):
                continue
            chunk = os.read(descriptor, 65536)
            if not chunk:
                return
            *lines, received = (received + chunk).split(b'\n')
            yield from map(json.loads, lines)


def _end(child: subprocess.Popen[bytes]) -> None:
    if child.poll() is None:
        child.kill()
    if child.stdin is not None:
        with suppress(BrokenPipeError):
            child.stdin.close()
    with suppress(subprocess.TimeoutExpired):  # in a hanging driver, not even SIGKILL ends it
        child.wait(_END_S)


def _exit_code(child: subprocess.Popen[bytes]) -> int:
    """The exit code of a child that has sent its last event; it is killed if it does not end."""
    try:
        return child.wait(_END_S)
    except subprocess.TimeoutExpired:
        _end(child)
        return -signal.SIGKILL


def _error(event: Mapping[str, Any]) -> PerceptionError:
    if event['error'] == 'ParameterError':
        return ParameterError(event['text'], event['parameter'])
    if event['error'] == 'crash':
        return ModelError('building the engine failed unexpectedly:', printed=event['text'])
    return ModelError(event['text'])


def _died(path: Path, code: int, said: str) -> ModelError:
    """The error for a child that ended without sending a result or an error."""
    if code == -signal.SIGKILL:
        return ModelError(
            f'{path}: the process that built the engine was killed, most likely by the kernel for '
            'lack of memory (sudo dmesg | grep -i oom). Close other programs, add swap, lower the '
            'workspace limit, or build at a smaller size or batch'
        )
    how = signal.Signals(-code).name if code < 0 else f'exit code {code}'
    return ModelError(
        f'{path}: the process that built the engine ended with {how}; its last output: '
        f'{said or "none"}'
    )


def _tail(file: Any, most: int = 2000) -> str:
    size = file.seek(0, os.SEEK_END)
    file.seek(max(size - most, 0))
    lines = file.read().decode(errors='replace').strip().splitlines()
    return ' | '.join(line.strip() for line in lines[-5:])


class _Feeder:
    """Writes tensors to the child in a thread of its own; the pipe sets the pace."""

    def __init__(self, tensors: Iterable[NDArray[np.generic]]) -> None:
        self.problem: Exception | None = None
        iterator = iter(tensors)
        first = next(iterator, None)
        if first is None:
            raise ParameterError('calibration has no images', 'calibration')
        self.shape = list(first.shape)
        self._tensors = itertools.chain([first], iterator)
        self.read_end, self._write_end = os.pipe()
        self._thread = threading.Thread(target=self._feed, name='calibration', daemon=True)

    def start(self) -> None:
        self._thread.start()

    def close_read_end(self) -> None:
        os.close(self.read_end)

    def join(self) -> None:
        self._thread.join(_END_S)

    def _feed(self) -> None:
        try:
            with os.fdopen(self._write_end, 'wb') as file:
                for tensor in self._tensors:
                    if list(tensor.shape) != self.shape:
                        raise ModelError(
                            f'calibration tensors are {self.shape} and {list(tensor.shape)}; '
                            'expected one shape'
                        )
                    file.write(np.ascontiguousarray(tensor, np.float32).tobytes())
        except BrokenPipeError:  # the child has enough, or is gone
            pass
        except Exception as err:  # noqa: BLE001 - raised in the thread that builds
            self.problem = err


def trtexec_line(path: str | Path, engine_path: str | Path, built: BuiltEngine) -> str:
    """The command line of NVIDIA's trtexec that builds the same engine.

    It needs the ONNX file that TensorRT got: `BuildOptions.save_onnx` saves a converted one.
    """
    options = built.options
    words = ['tensorrt_rtx' if 'RTX' in built.tensorrt else 'trtexec']
    words += [f'--onnx={options.save_onnx or path}', f'--saveEngine={engine_path}']
    words += [f'--{flag.lower()}' for flag in built.flags]
    if options.strongly_typed:
        words.append('--stronglyTyped')
    if built.shapes:
        for index, word in enumerate(('min', 'opt', 'max')):
            shapes = (
                f'{name}:{"x".join(map(str, shape[index]))}'
                for name, shape in built.shapes.items()
            )
            words.append(f'--{word}Shapes={",".join(shapes)}')
    words.append(f'--memPoolSize=workspace:{built.workspace_mib}')
    if options.timing_cache:
        words.append(f'--timingCacheFile={options.timing_cache}')
    if options.dla_core >= 0:
        words += [f'--useDLACore={options.dla_core}', '--allowGPUFallback']
    if options.optimization_level >= 0:
        words.append(f'--builderOptimizationLevel={options.optimization_level}')
    if options.max_aux_streams >= 0:
        words.append(f'--maxAuxStreams={options.max_aux_streams}')
    words += [f'--dynamicPlugins={library}' for library in options.plugins]
    return shlex.join(words)
