"""Cuts the head off a YOLO model, for a kernel of our own to compute."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from jetson_perception.cuda.yolo_head import CudaHead
from jetson_perception.engines.onnx_file.graph import has_quantization, load_model
from jetson_perception.engines.onnx_file.yolo_head import cut_head, find_head, head_problem
from jetson_perception.engines.onnxruntime.findings import Head
from jetson_perception.errors import ModelError, PerceptionError

if TYPE_CHECKING:
    from collections.abc import Sequence

    import onnx

    from jetson_perception.cuda.device import CudaDevice
    from jetson_perception.engines.base import TensorSpec
    from jetson_perception.engines.onnx_file.yolo_head import FoundHead
    from jetson_perception.engines.onnxruntime.source import ModelSource
    from jetson_perception.model_info import ModelInfo

_log = logging.getLogger('jetson_perception')


class CutModel(NamedTuple):
    """A model without its head.

    Attributes
    ----------
    content : bytes
        The model up to the maps that the head reads; they are its first outputs.
    kernel : CudaHead
        Computes the head; the owner closes it.
    head : Head
        What the kernel computes.
    """

    content: bytes
    kernel: CudaHead
    head: Head


def has_known_head(source: ModelSource, info: ModelInfo, outputs: Sequence[TensorSpec]) -> bool:
    """Whether our kernel computes the same as the model does after its last convolutions."""
    path = source.path
    if has_quantization(path):
        return False
    try:
        model = load_model(path)
        head = _find(model, info, outputs)
        if head is None:
            return False
        problem = head_problem(model, head, info.input_size_wh or (0, 0))
        if not problem:
            return True
        _log.info('%s: ONNX Runtime computes its head: %s', path.name, problem)
    except PerceptionError as err:  # no onnx, or a model that it cannot read
        _log.info('%s: its head cannot be examined: %s', path.name, str(err))
    return False


def cut_model(
    source: ModelSource,
    info: ModelInfo,
    outputs: Sequence[TensorSpec],
    device: CudaDevice,
    *,
    channels_last: bool,
) -> CutModel:
    """The model up to its head, and the kernel that takes over.

    Raises
    ------
    ModelError
        When no head is found in it.
    CudaError
        When the kernel cannot be made.
    """
    model = source.load()
    head = _find(model, info, outputs)
    if head is None:
        raise ModelError(f'{source.path}: its head is not found after the conversion to FP16')
    content = cut_head(model, head, channels_last=channels_last).SerializeToString()
    about = Head(head.layout, head.is_half, head.output)
    return with_kernel(content, about, outputs, device, channels_last=channels_last)


def with_kernel(
    content: bytes,
    head: Head,
    outputs: Sequence[TensorSpec],
    device: CudaDevice,
    *,
    channels_last: bool,
) -> CutModel:
    """A model that was cut before, and the kernel that takes over.

    Raises
    ------
    ModelError, CudaError
        When the kernel cannot be made.
    """
    dtype = np.float16 if head.is_half else np.float32
    written = outputs[head.output].dtype
    kernel = CudaHead(device, head.layout, dtype, written, channels_last=channels_last)
    return CutModel(content, kernel, head)


def _find(
    model: onnx.ModelProto, info: ModelInfo, outputs: Sequence[TensorSpec]
) -> FoundHead | None:
    return find_head(
        model,
        info.input_size_wh or (0, 0),  # every engine has a size
        [each.shape for each in outputs],
        class_count=len(info.class_names),
        keypoint_shape=info.keypoint_shape,
    )
