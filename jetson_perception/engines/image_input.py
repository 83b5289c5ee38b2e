"""Checks a model's image input, whose size is fixed when the model is opened."""

from __future__ import annotations

import logging
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from jetson_perception.errors import ModelError, ParameterError
from jetson_perception.images.picture_header import MAX_IMAGE_PIXELS
from jetson_perception.printable import listed, printable, quoted
from jetson_perception.tasks.input_layout import INPUT_TYPES, InputLayout, input_layout

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    import numpy as np
    from numpy.typing import NDArray

    from jetson_perception.engines.base import TensorSpec
    from jetson_perception.model_info import ModelInfo

_log = logging.getLogger(__name__)

MOST_BATCH = 64
"""The most images in one inference; a machine runs out of memory or patience long before."""

_MOST_NAMED = 10
_ON_THE_CPU = ", or run it on the CPU, which takes it (runtime 'onnxruntime_cpu')"


def require_one_input(path: Path, names: Sequence[str]) -> None:
    """Refuse a model that does not have exactly one input, for a runtime that takes no other.

    Raises
    ------
    ModelError
        When there is no input, or more than one; the message names them.
    """
    if len(names) != 1:
        found = listed([quoted(name, 60) for name in names], _MOST_NAMED) or 'none'
        raise ModelError(
            f'{path} has {len(names)} inputs ({found}); expected one, the image. Export the '
            f'model without the others{_ON_THE_CPU if names else ""}'
        )


def require_image(path: Path, spec: TensorSpec, shape: Sequence[Any] = ()) -> None:
    """Refuse an input that is not a batch of images of one, three or four channels.

    Parameters
    ----------
    path : Path
        The model, for errors.
    spec : TensorSpec
        Its input; -1 for open dimensions.
    shape : sequence, optional
        The shape to show in errors, with the names that the model gives to open dimensions.

    Raises
    ------
    ModelError
        When its shape or element type differs; the message names both.
    """
    found = _found(path, spec, shape)
    if len(spec.shape) != 4:
        raise ModelError(f'{found}; expected an image, (1, 3, height, width)')
    if input_layout(spec.shape) is None:
        raise ModelError(
            f'{found}; expected an image of 3 channels, 1 (gray) or 4 (with alpha), first or '
            'last: (1, 3, height, width) or (1, height, width, 3)'
        )
    if not (spec.shape[0] == -1 or 1 <= spec.shape[0] <= MOST_BATCH):
        raise ModelError(f'{found}; expected a batch of at most {MOST_BATCH} images')
    if spec.dtype not in INPUT_TYPES:
        raise ModelError(f'{found}; expected {", ".join(map(str, INPUT_TYPES))}')


def require_single(path: Path, spec: TensorSpec, shape: Sequence[Any] = ()) -> None:
    """Refuse an input for several images, for a runtime that runs one at a time.

    Raises
    ------
    ModelError
        When its batch is fixed at more than one.
    """
    if spec.shape[0] not in (-1, 1):
        raise ModelError(
            f'{_found(path, spec, shape)}; only one image runs at a time. Export it with batch '
            f'size 1 or dynamic{_ON_THE_CPU}'
        )


def require_usual_image(path: Path, spec: TensorSpec, shape: Sequence[Any] = ()) -> None:
    """Refuse all but one float image of three channels that come first, which TensorRT takes here.

    Raises
    ------
    ModelError
        When it is anything else.
    """
    require_image(path, spec, shape)
    found, layout = _found(path, spec, shape), input_layout(spec.shape)
    if layout is not None and layout.channels != 3:
        raise ModelError(f'{found}; expected 3 channels, (1, 3, height, width){_ON_THE_CPU}')
    if layout is not None and layout.channels_last:
        raise ModelError(
            f'{found}, channels last; expected (1, 3, height, width). Export it channels first '
            f'(tf2onnx: --inputs-as-nchw){_ON_THE_CPU}'
        )
    require_single(path, spec, shape)
    if spec.dtype.kind != 'f':
        raise ModelError(f'{found}; expected float32 or float16{_ON_THE_CPU}')


def is_usual_image(spec: TensorSpec) -> bool:
    """Whether it is a float image of three channels that come first."""
    return input_layout(spec.shape) == InputLayout() and spec.dtype.kind == 'f'


def sides_wh(shape: Sequence[int]) -> tuple[int, int]:
    """Width and height of an image input, -1 where they are open."""
    return (input_layout(shape) or InputLayout()).size_wh(shape)


def sized(spec: TensorSpec, size_wh: tuple[int, int]) -> TensorSpec:
    """An image input for one image of this size."""
    layout = input_layout(spec.shape) or InputLayout()
    opened = _open_dimensions(spec, layout)
    return replace(spec, shape=layout.shape(size_wh), open_dimensions=opened)


def _open_dimensions(spec: TensorSpec, layout: InputLayout) -> tuple[str, ...]:
    width, height = layout.size_wh(spec.shape)
    sizes = {'batch': spec.shape[0], 'height': height, 'width': width}
    return tuple(name for name, size in sizes.items() if size < 1)


def _found(path: Path, spec: TensorSpec, shape: Sequence[Any]) -> str:
    shown = _show_shape(shape or spec.shape)
    return f'{path}: input {quoted(spec.name)} is {spec.dtype} {shown}'


def require_tensor(
    path: str | Path, spec: TensorSpec, tensor: NDArray[np.generic], max_batch: int = 1
) -> None:
    """Refuse a tensor that does not fit an engine's input, which takes so many images at most.

    Raises
    ------
    ModelError
        When its shape or dtype differs; the message names both.
    """
    fits = tensor.shape[1:] == spec.shape[1:] and 1 <= len(tensor) <= max_batch
    if not fits or tensor.dtype != spec.dtype:
        raise ModelError(
            f'{path}: input {quoted(spec.name)} takes {spec.dtype} {spec.shape}, '
            f'got {tensor.dtype} {tensor.shape}'
        )


def choose_size_wh(
    path: Path, spec: TensorSpec, info: ModelInfo, asked_wh: tuple[int, int] | None
) -> tuple[int, int]:
    """Width and height to run the model at; its own if it fixes them.

    Parameters
    ----------
    path : Path
        The model, for errors.
    spec : TensorSpec
        Its input; -1 for open dimensions.
    info : ModelInfo
        What its metadata says.
    asked_wh : tuple of int or None
        The size that the user asks for.

    Raises
    ------
    ParameterError
        When the size is open and none is given, or the given one does not fit or is absurdly
        large.
    ModelError
        When the size that the model fixes is absurdly large.
    """
    size_wh = _fitting_size_wh(path, spec, info, asked_wh)
    _check_pixels(path, spec, size_wh)
    return size_wh


def _check_pixels(path: Path, spec: TensorSpec, size_wh: tuple[int, int]) -> None:
    width, height = size_wh
    if width * height <= MAX_IMAGE_PIXELS:
        return
    needed = 3 * width * height * spec.dtype.itemsize
    found = (
        f'{path}: the input would be {width} x {height} pixels, {needed / 1e9:.1f} GB; expected '
        f'at most {MAX_IMAGE_PIXELS} pixels, such as 8192 x 8192'
    )
    if -1 in sides_wh(spec.shape):
        raise ParameterError(
            f"{found}. Set input_size, or correct 'imgsz' in the metadata", 'input_size'
        )
    raise ModelError(f'{found}. Export the model at the size it should run at')


def _fitting_size_wh(
    path: Path, spec: TensorSpec, info: ModelInfo, asked_wh: tuple[int, int] | None
) -> tuple[int, int]:
    width, height = sides_wh(spec.shape)
    size_wh = asked_wh or info.input_size_wh
    if size_wh is None:
        if -1 in (width, height):
            raise ParameterError(
                f'{path} leaves the size of its input open and does not say which size it was '
                'trained at; set input_size to [width, height]',
                'input_size',
            )
        return width, height
    fits = (width in (-1, size_wh[0])) and (height in (-1, size_wh[1]))
    if not fits and asked_wh is None and -1 not in (width, height):
        _log.warning(
            "%s: metadata 'imgsz' says %dx%d, but the input is %dx%d, which is used",
            path,
            *size_wh,
            width,
            height,
        )
        return width, height
    if not fits:
        fixed = ' x '.join('any' if size < 0 else str(size) for size in (width, height))
        raise ParameterError(
            f'input_size is {size_wh[0]} x {size_wh[1]}, and {path} takes {fixed} (width x '
            'height); change or remove it, or export the model at that size',
            'input_size',
        )
    if min(size_wh) < 1 or (info.stride and any(size % info.stride for size in size_wh)):
        step = info.stride or 1
        near = [max(round(size / step), 1) * step for size in size_wh]
        raise ParameterError(
            f'input_size is {size_wh[0]} x {size_wh[1]}, and {path} takes multiples of {step}; '
            f'the nearest is [{near[0]}, {near[1]}]',
            'input_size',
        )
    return size_wh


def _show_shape(shape: Sequence[Any]) -> str:
    sides = ('?' if size in (None, -1) else printable(size, 40) for size in shape[:10])
    return f'({", ".join(sides)})'
