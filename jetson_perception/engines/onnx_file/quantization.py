"""Makes INT8 models for every TensorRT: Q/DQ nodes in ONNX, with ranges measured on images.

The settings are those that TensorRT's parsers accept: int8 with a zero point of 0, for activations
and weights; a scale for each channel of weights; biases in float. Only inputs of nodes that
multiply by weights are quantized: TensorRT fuses the nodes in between, and quantizes their results
once, where the next such node takes them.

Three parts stay in float, because INT8 would cost most accuracy there: the first convolutions,
which would see 128 steps of brightness; the last one of each head; and the decoding of boxes,
scores and keypoints, whose values span the picture. They are found by their place in the graph,
not by name.
"""

from __future__ import annotations

import fnmatch
import io
import logging
import tempfile
from contextlib import contextmanager, redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from jetson_perception.engines.onnx_file.graph import (
    first_convolutions,
    has_quantization,
    last_weighted,
    load_model,
    require_onnx,
    weighted_nodes,
)
from jetson_perception.engines.onnx_file.precision import convert_opset, opset_of, widen_weights
from jetson_perception.errors import ModelError, ParameterError, PerceptionError
from jetson_perception.files.output_files import write_output
from jetson_perception.installing import pip_install
from jetson_perception.printable import counted, quoted

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    import onnx
    from numpy.typing import NDArray

_log = logging.getLogger('jetson_perception')

METHODS = ('minmax', 'entropy', 'percentile')
"""How a range is chosen from the values seen: it covers them all; it loses the least information;
it covers all but the largest 0.01 ‰."""

_OLDEST_OPSET = 13  # the first with one scale per channel


@dataclass(frozen=True, slots=True)
class QuantizationOptions:
    """How a model is quantized.

    Attributes
    ----------
    method : str
        One of `METHODS`.
    float_first : int
        How many of the convolutions nearest to the image stay in float.
    float_nodes : tuple of str
        Names of other nodes that stay in float; `*` matches anything.
    """

    method: str = 'minmax'
    float_first: int = 2
    float_nodes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if self.method not in METHODS:
            raise ParameterError(
                f'method is {quoted(self.method)}; expected one of {", ".join(METHODS)}', 'method'
            )
        if self.float_first < 0:
            raise ParameterError(
                f'float_first is {self.float_first}; expected 0 or more', 'float_first'
            )


@dataclass(frozen=True, slots=True)
class Quantized:
    """The result of quantizing a model.

    Attributes
    ----------
    pictures : int
        How many pictures the ranges were measured on.
    nodes : int
        How many nodes with weights compute in INT8.
    kept : int
        How many nodes with weights stay in float.
    """

    pictures: int
    nodes: int
    kept: int


def quantize_model(
    path: str | Path,
    out: str | Path,
    tensors: Iterable[NDArray[np.generic]],
    options: QuantizationOptions | None = None,
    progress: Callable[[int], None] | None = None,
) -> Quantized:
    """Write a model with Q/DQ nodes.

    Parameters
    ----------
    path : str or Path
        The ONNX file, in FP32.
    out : str or Path
        The file to write; it gets the original's metadata.
    tensors : iterable of ndarray, shape (1, 3, h, w), float32
        Inputs of the network, made from images like those that the camera will take.
    options : QuantizationOptions, optional
        How to quantize.
    progress : callable, optional
        Called with the number of images used so far.

    Raises
    ------
    PerceptionError
        When onnx or ONNX Runtime is missing.
    ModelError
        When the model cannot be used, is quantized already, or has nothing to quantize.
    ParameterError
        When there are no images.
    """
    require_onnx()
    path, out = Path(path), Path(out)
    options = options or QuantizationOptions()
    if has_quantization(path):
        raise ModelError(f'{path} is quantized already; give the original in FP32')
    metadata = {each.key: each.value for each in load_model(path).metadata_props}
    with _room_for_files(), tempfile.TemporaryDirectory(prefix='jetson_perception_') as folder:
        prepared = Path(folder) / 'prepared.onnx'
        model = _prepare(path, prepared)
        weighted, kept = _choose(model, path, options)
        spool = Path(folder) / 'tensors'
        reader = _Reader(model.graph.input[0].name, tensors, spool, progress)
        quantized = Path(folder) / 'quantized.onnx'
        _quantize(path, prepared, quantized, reader, options, weighted)
        _finish(quantized, out, metadata)
    return Quantized(reader.count, len(weighted), len(kept))


@contextmanager
def _room_for_files() -> Iterator[None]:
    """Turn errors from writing temporary files into one that says where, and what to do."""
    try:
        yield
    except OSError as err:
        reason = err.strerror or err
        raise PerceptionError(
            f'temporary files in {tempfile.gettempdir()} cannot be written: {reason}; make room, '
            'or set TMPDIR to a folder that has some'
        ) from err


def _prepare(path: Path, prepared: Path) -> onnx.ModelProto:
    """The model to measure ranges on: with known shapes and folded batch normalization."""
    onnx = require_onnx()
    try:
        from onnxruntime.quantization.shape_inference import quant_pre_process
    except ImportError as err:
        raise PerceptionError(
            f"ONNX Runtime's quantization cannot be imported: {err}; "
            f'{pip_install(err.name or "onnxruntime")}'
        ) from err
    model = load_model(path)
    widen_weights(model)
    if 0 < opset_of(model) < _OLDEST_OPSET:
        model = convert_opset(model)
    # Passed as a file: it moves the weights of a model in memory to another file and loses them.
    original = prepared.with_name('original.onnx')
    onnx.save(model, str(original))
    # Symbolic shapes need sympy, and are not needed because images fix the sizes.
    try:
        quant_pre_process(str(original), str(prepared), skip_symbolic_shape=True)
    except Exception as err:  # ONNX Runtime's and onnx's share no other base class
        raise ModelError(
            f'{path} cannot be prepared for quantization: {" ".join(str(err).split())}'
        ) from err
    model = load_model(prepared)
    onnx.save(model, str(prepared))  # with its nodes named
    return model


def _choose(
    model: onnx.ModelProto, path: Path, options: QuantizationOptions
) -> tuple[list[str], list[str]]:
    """Names of the nodes with weights: those to quantize, and those to keep in float."""
    names = [node.name for node in weighted_nodes(model)]
    sensitive = set(first_convolutions(model, options.float_first)) | set(last_weighted(model))
    for pattern in options.float_nodes:
        found = fnmatch.filter(names, pattern)
        if not found:
            raise ParameterError(
                f'float_nodes: no node with weights is named {quoted(pattern)}; some are '
                f'{", ".join(names[:5])}',
                'float_nodes',
            )
        sensitive.update(found)
    chosen = [name for name in names if name not in sensitive]
    if not chosen:
        raise ModelError(
            f'{path} has {counted(len(names), "node")} with weights, and all of them stay in '
            f'float: the first {options.float_first} and the ends of heads. There is nothing to '
            'quantize'
        )
    return chosen, [name for name in names if name in sensitive]


class _Reader:
    """Gives ONNX Runtime's calibration one image at a time; a CalibrationDataReader.

    The images are kept in a file: ONNX Runtime asks how many there are, and holds the network's
    results for a whole range of them, which for histograms takes hundreds of megabytes per image.

    Parameters
    ----------
    name : str
        Name of the network's input.
    tensors : iterable of ndarray
        The inputs, all of one shape.
    file : Path
        Where they are kept.
    progress : callable, optional
        Called with the number of images taken.
    """

    def __init__(
        self,
        name: str,
        tensors: Iterable[NDArray[np.generic]],
        file: Path,
        progress: Callable[[int], None] | None,
    ) -> None:
        self._name, self._progress = name, progress
        self.count, self._next, self._end = 0, 0, 0
        shape: tuple[int, ...] = ()
        with file.open('wb') as spool:
            for tensor in tensors:
                shape = shape or tensor.shape
                if tensor.shape != shape:
                    raise ModelError(
                        f'calibration tensors are {shape} and {tensor.shape}; expected one shape'
                    )
                spool.write(np.ascontiguousarray(tensor, np.float32).tobytes())
                self.count += 1
        if not self.count:
            raise ParameterError('there are no images to calibrate on', 'images')
        self._tensors = np.memmap(file, np.float32, 'r', shape=(self.count, *shape))

    def __len__(self) -> int:
        return self.count

    def set_range(self, start_index: int, end_index: int) -> None:
        """Choose the inputs that `get_next` returns from now on."""
        self._next, self._end = start_index, end_index

    def get_next(self) -> dict[str, NDArray[np.generic]] | None:
        """The next input; None after the last of the range."""
        if self._next >= self._end:
            return None
        tensor = np.array(self._tensors[self._next])
        self._next += 1
        if self._progress:
            self._progress(self._next)
        return {self._name: tensor}


def _quantize(
    path: Path,
    prepared: Path,
    out: Path,
    reader: _Reader,
    options: QuantizationOptions,
    nodes: list[str],
) -> None:
    from onnxruntime.quantization import CalibrationMethod, QuantFormat, QuantType, quantize_static

    methods = {
        'minmax': CalibrationMethod.MinMax,
        'entropy': CalibrationMethod.Entropy,
        'percentile': CalibrationMethod.Percentile,
    }
    try:
        with redirect_stdout(io.StringIO()):  # it prints progress
            quantize_static(
                str(prepared),
                str(out),
                reader,
                quant_format=QuantFormat.QDQ,
                per_channel=True,
                weight_type=QuantType.QInt8,
                activation_type=QuantType.QInt8,
                calibrate_method=methods[options.method],
                nodes_to_quantize=nodes,
                op_types_to_quantize=_OPERATORS,
                extra_options=_EXTRA,
            )
    except Exception as err:  # from ONNX Runtime, NumPy or onnx
        why = ' '.join(str(err).split())
        if options.method != 'minmax':  # ONNX Runtime 1.19 cannot merge histograms
            why += '. It may work with the method minmax, or a newer ONNX Runtime'
        raise ModelError(f'{path} cannot be quantized: {why}') from err


_OPERATORS = ['Conv', 'ConvTranspose', 'Gemm', 'MatMul']

_EXTRA: dict[str, Any] = {
    'ActivationSymmetric': True,
    'WeightSymmetric': True,
    'QuantizeBias': False,
    'OpTypesToExcludeOutputQuantization': _OPERATORS,
    'CalibStridedMinMax': 1,  # despite its name, makes every method read image by image
}


def _finish(quantized: Path, out: Path, metadata: dict[str, str]) -> None:
    onnx = require_onnx()
    model = onnx.load(str(quantized))
    onnx.helper.set_model_props(model, metadata)
    onnx.checker.check_model(model)
    write_output(out, model.SerializeToString(), parameter='output', durable=True)
