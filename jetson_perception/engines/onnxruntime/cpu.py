"""ONNX Runtime's CPU provider behind the engine protocol."""

from __future__ import annotations

import difflib
import math
import os
import sys
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from jetson_perception.engines.base import TensorSpec
from jetson_perception.engines.image_input import (
    MOST_BATCH,
    choose_size_wh,
    require_image,
    require_tensor,
    sides_wh,
    sized,
)
from jetson_perception.engines.metadata import read_onnx_metadata
from jetson_perception.engines.onnx_file.header import check_external_files
from jetson_perception.engines.size_inputs import image_and_others, size_values
from jetson_perception.engines.tensor_memory import check_room_for, check_tensor_memory
from jetson_perception.errors import ModelError, ParameterError
from jetson_perception.files.foreign_files import absolute_foreign_path, read_foreign_head
from jetson_perception.files.native_paths import native_path
from jetson_perception.installing import pip_install
from jetson_perception.printable import listed, printable, printable_line, quoted
from jetson_perception.process.memory import is_out_of_memory
from jetson_perception.process.start_times import START_TIMES
from jetson_perception.shortages import lacking

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

_DTYPES = {
    'tensor(float)': np.float32,
    'tensor(float16)': np.float16,
    'tensor(double)': np.float64,
    'tensor(uint8)': np.uint8,
    'tensor(int8)': np.int8,
    'tensor(uint16)': np.uint16,
    'tensor(int16)': np.int16,
    'tensor(uint32)': np.uint32,
    'tensor(int32)': np.int32,
    'tensor(uint64)': np.uint64,
    'tensor(int64)': np.int64,
    'tensor(bool)': np.bool_,
}

# No network in use needs gigabytes for a smaller input.
_SMALL_PIXELS = 1 << 20
_MOST_NAMES = 3  # of other files, in the error for a missing one
_MOST_NAMES_OF_A_FOLDER = 12

_OTHER_FORMATS = {
    '.engine': 'a TensorRT engine file, which ONNX Runtime cannot run; give the ONNX file that it '
    'was built from',
    '.plan': 'a TensorRT engine file, which ONNX Runtime cannot run; give the ONNX file that it '
    'was built from',
    '.pt': 'PyTorch weights; export them to ONNX (Ultralytics: yolo export model=… format=onnx)',
    '.pth': 'PyTorch weights; export them to ONNX with torch.onnx.export',
    '.torchscript': 'a TorchScript model; export the original to ONNX',
    '.tflite': 'a TensorFlow Lite model; convert it to ONNX with tf2onnx',
    '.pb': 'a TensorFlow graph; convert it to ONNX with tf2onnx',
    '.ort': "ONNX Runtime's own format; give the ONNX file that it was made from",
}


class OnnxRuntimeEngine:
    """An ONNX model on ONNX Runtime's CPU provider; implements `engines.base.Engine`.

    Parameters
    ----------
    path : str or Path
        The ONNX file.
    threads : int
        Threads that compute one frame; 0 for as many as the cores this process may run on.
    input_size_wh : tuple of int, optional
        Width and height of the input, for a model that leaves them open. Default: what the
        metadata says.

    Attributes
    ----------
    description, info, inputs, outputs
        See `Engine`; if the input has open dimensions, `inputs` has the sizes in use.

    Raises
    ------
    ModelError
        When the file is missing or not ONNX, its input is not one image, or its inputs and
        outputs take too much memory.
    ParameterError
        When the input size is open and not given, or the given one does not fit.
    """

    shareable = True

    def __init__(
        self,
        path: str | Path,
        *,
        threads: int = 0,
        input_size_wh: tuple[int, int] | None = None,
    ) -> None:
        path = check_model_file(path)
        check_room_for(path)
        if threads < 0:
            raise ParameterError(
                f'threads is {threads}; expected 0 (every core) or the number to use', 'threads'
            )
        threads = threads or available_cores()
        self._session: Any = _create_session(path, threads)
        import onnxruntime

        self._new_run_options = onnxruntime.RunOptions
        self._run_options: Any = self._new_run_options()
        self.description = f'ONNX Runtime {onnxruntime.__version__}, CPU, {threads} ' + (
            'threads' if threads > 1 else 'thread'
        )
        info = replace(read_onnx_metadata(session_metadata(path, self._session)), path=str(path))
        spec, others = image_input(path, self._session.get_inputs())
        size_wh = choose_size_wh(path, spec, info, input_size_wh)
        self.info = replace(info, input_size_wh=size_wh)
        fixed = max(spec.shape[0], 0)
        self.max_batch = fixed or (1 if others else MOST_BATCH)
        self._repeats = fixed > 1
        self._sizes = size_values(others, size_wh, fixed or 1)
        self.inputs: tuple[TensorSpec, ...] = (sized(spec, size_wh),)
        self.outputs = tuple(tensor_spec(path, each) for each in self._session.get_outputs())
        check_tensor_memory(path, (*self.inputs, *self._outputs_in_use(path, threads)))

    def infer(self, tensor: NDArray[np.generic]) -> Sequence[NDArray[np.generic]]:
        """Outputs for one input tensor, as new arrays.

        Parameters
        ----------
        tensor : ndarray
            With the shape and dtype in `inputs`, of up to `max_batch` images. A batch that the
            model fixes is filled with repetitions of the last one.

        Raises
        ------
        ModelError
            When the tensor does not fit, the engine is closed, or ONNX Runtime fails.
        """
        session = self._session
        if session is None:
            raise ModelError(f'{self.info.path}: the engine is closed')
        require_tensor(self.info.path, self.inputs[0], tensor, self.max_batch)
        count = len(tensor)
        if self._repeats and count < self.max_batch:
            last = np.repeat(tensor[-1:], self.max_batch - count, axis=0)
            tensor = np.concatenate((tensor, last))
        try:
            # Binding outputs to our buffers was no faster: 88.9 and 88.1 ms for YOLOv8n, 3.28
            # and 3.30 ms for 22 MB of logits (medians, two cores). So each call returns new ones.
            outputs: list[NDArray[np.generic]] = session.run(
                None, {self.inputs[0].name: tensor, **self._sizes}, self._run_options
            )
        except Exception as err:  # ONNX Runtime's errors share no other base
            raise ModelError(
                f'{self.info.path}: ONNX Runtime failed: {runtime_text(err)}'
            ) from err
        if self._repeats:  # the rest is of repetitions
            outputs = [
                each[:count] if spec.shape[:1] == (self.max_batch,) else each
                for each, spec in zip(outputs, self.outputs, strict=True)
            ]
        return outputs

    def _outputs_in_use(self, path: Path, threads: int) -> tuple[TensorSpec, ...]:
        """The outputs, with sizes derived from the input's, as far as they are known."""
        if not any(-1 in spec.shape for spec in self.outputs):
            return self.outputs
        shape = self.inputs[0].shape
        if math.prod(sides_wh(shape)) <= _SMALL_PIXELS:
            return self.outputs
        names = next(
            each.shape for each in self._session.get_inputs() if each.name == self.inputs[0].name
        )
        sizes = named_dimensions(names, shape)
        if not sizes:
            return self.outputs
        # Only loaded, never run: loading infers the sizes.
        session = _create_session(path, threads, sizes)
        return tuple(tensor_spec(path, each) for each in session.get_outputs())

    def bind_thread(self) -> None:
        """Do nothing: any thread may run the engine."""

    def interrupt(self) -> None:
        """Make a running inference fail at its next operator; any thread may call this."""
        interrupted, self._run_options = self._run_options, self._new_run_options()
        interrupted.terminate = True

    def close(self) -> None:
        """Release the model; may be called twice."""
        self._session = None


def imported_runtime() -> Any:
    """The module onnxruntime; its first import is a part of the start.

    Raises
    ------
    ImportError
        When it is missing, or something that it needs.
    """
    if 'onnxruntime' not in sys.modules:
        with START_TIMES.span('importing ONNX Runtime'):
            import onnxruntime
    import onnxruntime  # another thread may still be at it

    return onnxruntime


def available_cores() -> int:
    """How many cores this process may run on."""
    if hasattr(os, 'sched_getaffinity'):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def check_model_file(path: str | Path) -> Path:
    """The absolute path of a file that may be an ONNX model.

    Raises
    ------
    ModelError
        When there is no such file (the message lists similar names), it is a folder, a pipe, a
        device, empty or in another format, or its weights are not in regular files.
    """
    path = absolute_foreign_path(path, what='model', error=ModelError)
    native_path(path, what='model', error=ModelError)
    if os.path.isdir(path):
        names = sorted(printable(each.name) for each in path.glob('*.onnx'))
        found = listed(names, _MOST_NAMES_OF_A_FOLDER) or 'none'
        raise ModelError(f'{path} is a folder; give a file. ONNX files in it: {found}')
    if not os.path.lexists(path):
        raise ModelError(f'there is no model file {printable(path)}{_near_names(path)}')
    other = _OTHER_FORMATS.get(path.suffix.lower())
    if other:
        raise ModelError(f'{path} is {other}')
    head = read_foreign_head(path, what='model', error=ModelError, count=64)
    if not head:
        raise ModelError(f'{path} is empty; copy or export the model again')
    if head.startswith(b'version https://git-lfs'):
        raise ModelError(f'{path} is a Git LFS pointer, not the model; run `git lfs pull`')
    check_external_files(path)
    return path


def _near_names(path: Path) -> str:
    if not os.path.isdir(path.parent):
        return f'; there is no folder {printable(path.parent)} either'
    try:
        names = [each.name for each in path.parent.iterdir() if each.is_file()]
    except OSError:
        return ''
    near = difflib.get_close_matches(path.name, names, n=_MOST_NAMES)
    others = sorted(name for name in names if name.endswith('.onnx') and name not in near)
    shown = listed([printable(name) for name in (*near, *others)], _MOST_NAMES)
    return f'; in its folder there is {shown}' if shown else ''


def named_dimensions(names: Sequence[Any], shape: Sequence[int]) -> dict[str, int]:
    """Sizes of the input's open dimensions by name; empty if one name has two sizes."""
    sizes: dict[str, int] = {}
    for name, size in zip(names, shape, strict=True):
        if isinstance(name, str) and sizes.setdefault(name, size) != size:
            return {}
    return sizes


def _create_session(path: Path, threads: int, only_sizes: Mapping[str, int] | None = None) -> Any:
    """A session; if the input's dimensions are given, one that only infers output sizes."""
    try:
        onnxruntime = imported_runtime()
    except ImportError as err:
        raise ModelError(
            f'ONNX Runtime cannot be imported ({err}); {pip_install("onnxruntime")}'
        ) from err
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    # Threads that spin while they wait burn cores that the robot's other processes need. YOLOv8n
    # at 4 Hz on two cores: 225 ms of CPU a frame without spinning, 315 ms with it; back to back a
    # frame takes 83.8 ms without, 82.9 ms with (medians).
    options.add_session_config_entry('session.intra_op.allow_spinning', '0')
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_ALL
    if only_sizes is not None:
        options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
        for name, size in only_sizes.items():
            options.add_free_dimension_override_by_name(name, size)
    options.log_severity_level = 4  # errors that it logs are also raised
    try:
        return onnxruntime.InferenceSession(
            str(path),
            options,
            providers=['CPUExecutionProvider'],
            enable_fallback=0,  # it would print a message, and try the same once more
        )
    except Exception as err:  # ONNX Runtime's errors share no other base
        text = runtime_text(err)
        if 'protobuf' in text.lower():
            raise ModelError(f'{path} is not an ONNX model, or is damaged: {text}') from err
        raise ModelError(f'{path} cannot be loaded by ONNX Runtime: {text}') from err


def runtime_text(err: Exception, *, out_of_memory: str = '') -> str:
    """The runtime's message on one line, without its repeated prefix.

    Parameters
    ----------
    err : Exception
        What it raised.
    out_of_memory : str
        What comes first if that means that memory ran out; by default what `shortages` says of
        it, as of everything else that ran out.
    """
    text = ' '.join(str(err).replace('[ONNXRuntimeError] : ', '').split())
    lacks = lacking(err)
    if out_of_memory and is_out_of_memory(err):
        lacks = out_of_memory
    if lacks:
        text = f'{lacks}. It said: {text}'
    return printable_line(text, 1000)


@contextmanager
def texts_of(path: Path) -> Iterator[None]:
    """Turn decoding errors into ModelError: ONNX Runtime decodes strings only on access."""
    try:
        yield
    except UnicodeDecodeError as err:
        raise ModelError(
            f'{path} is not an ONNX model, or is damaged: a string in it is not UTF-8'
        ) from err


def session_metadata(path: Path, session: Any) -> dict[str, str]:
    """The metadata of a session's model.

    Raises
    ------
    ModelError
        When it is not UTF-8 text.
    """
    with texts_of(path):
        props: dict[str, str] = session.get_modelmeta().custom_metadata_map
    return props


def tensor_spec(path: Path, node: Any) -> TensorSpec:
    """An input or output as the runtime describes it; -1 for open dimensions.

    Raises
    ------
    ModelError
        When it is not a tensor of numbers.
    """
    with texts_of(path):
        name, kind, sizes = node.name, node.type, node.shape
    if kind not in _DTYPES:
        raise ModelError(f'{path}: {quoted(name)} is a {kind}; expected a tensor of numbers')
    shape = tuple(size if isinstance(size, int) else -1 for size in sizes)
    return TensorSpec(name, shape, np.dtype(_DTYPES[kind]))


def image_input(path: Path, nodes: Sequence[Any]) -> tuple[TensorSpec, tuple[TensorSpec, ...]]:
    """The image among the model's inputs, checked, and those that are its size.

    Raises
    ------
    ModelError
        When there is no image, or something that is not its size.
    """
    with texts_of(path):
        spec, others = image_and_others(path, [tensor_spec(path, node) for node in nodes])
    shape = next(node.shape for node in nodes if node.name == spec.name)
    require_image(path, spec, shape)
    return spec, others
