"""Reads an engine's inputs and outputs, sets their shapes, and refuses those we cannot use."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from jetson_perception.engines.base import TensorSpec
from jetson_perception.engines.image_input import (
    choose_size_wh,
    require_one_input,
    require_usual_image,
)
from jetson_perception.engines.tensorrt.api import to_numpy_dtype
from jetson_perception.errors import ModelError, ParameterError
from jetson_perception.printable import quoted

if TYPE_CHECKING:
    from collections.abc import Sequence

    from jetson_perception.engines.tensorrt.context import InferenceContext
    from jetson_perception.model_info import ModelInfo


def read_tensors(loaded: InferenceContext) -> tuple[TensorSpec, list[TensorSpec]]:
    """The image input and the outputs, with -1 for open dimensions.

    Raises
    ------
    ModelError
        When the input is not an image, or a tensor cannot be used here; the message says what to
        do.
    """
    inputs: list[TensorSpec] = []
    outputs: list[TensorSpec] = []
    for index in range(loaded.engine.num_io_tensors):
        name = loaded.engine.get_tensor_name(index)
        is_input = loaded.engine.get_tensor_mode(name) == loaded.trt.TensorIOMode.INPUT
        spec = _read_tensor(loaded, name, 'input' if is_input else 'output')
        (inputs if is_input else outputs).append(spec)
    require_one_input(loaded.path, [spec.name for spec in inputs])
    require_usual_image(loaded.path, inputs[0])
    return inputs[0], outputs


def _read_tensor(loaded: InferenceContext, name: str, kind: str) -> TensorSpec:
    if loaded.engine.get_tensor_location(name) == loaded.trt.TensorLocation.HOST:
        raise ModelError(
            f"{loaded.path}: {kind} '{name}' is a shape tensor on the host; expected images and "
            'results on the GPU. Export the model with fixed sizes'
        )
    layout = loaded.engine.get_tensor_format(name)
    if layout != loaded.trt.TensorFormat.LINEAR:
        raise ModelError(
            f"{loaded.path}: {kind} '{name}' has the format {layout.name}; expected "
            'LINEAR. Build the engine without --inputIOFormats and --outputIOFormats'
        )
    try:
        dtype = to_numpy_dtype(loaded.engine.get_tensor_dtype(name), name)
    except ModelError as err:
        raise ModelError(f'{loaded.path}: {err}') from err
    return TensorSpec(name, _tuple(loaded.engine.get_tensor_shape(name)), dtype)


def choose_input_size_wh(
    loaded: InferenceContext,
    image: TensorSpec,
    info: ModelInfo,
    asked_wh: tuple[int, int] | None,
) -> tuple[int, int]:
    """Width and height to run at: the requested ones, else the model's, else the profile's best.

    Raises
    ------
    ParameterError
        When the requested size does not fit, or no size is known.
    """
    if -1 in image.shape[2:] and asked_wh is None and info.input_size_wh is None:
        _, best, _ = loaded.engine.get_tensor_profile_shape(image.name, 0)
        return int(best[3]), int(best[2])
    return choose_size_wh(loaded.path, image, info, asked_wh)


def set_input_shape(
    loaded: InferenceContext, image: TensorSpec, shape: tuple[int, ...]
) -> TensorSpec:
    """Set the input's shape, unless it is fixed; returns the input with that shape.

    Raises
    ------
    ParameterError
        When the engine was built for other shapes.
    ModelError
        When TensorRT refuses.
    """
    if -1 in image.shape:
        loaded.set_shape(image.name, shape, _choose_profile(loaded, image.name, shape))
    return replace(image, shape=shape)


def _choose_profile(loaded: InferenceContext, name: str, shape: tuple[int, ...]) -> int:
    ranges = []
    for index in range(loaded.engine.num_optimization_profiles):
        low, _, high = map(_tuple, loaded.engine.get_tensor_profile_shape(name, index))
        fits = zip(low, shape, high, strict=True)
        if all(least <= size <= most for least, size, most in fits):
            return index
        ranges.append(f'{low} to {high}')
    raise ParameterError(
        f'input_size is {shape[3]} x {shape[2]} (width x height), but {loaded.path} was built '
        f'for inputs of {", or ".join(ranges)}; change input_size, or build the engine for it',
        'input_size',
    )


def resolve_outputs(
    loaded: InferenceContext, outputs: Sequence[TensorSpec]
) -> tuple[TensorSpec, ...]:
    """The outputs with the shapes that follow from the input's shape.

    Raises
    ------
    ModelError
        When a shape is not known before a run.
    """
    try:
        missing = loaded.context.infer_shapes()
    except RuntimeError as err:
        raise ModelError(f'{loaded.path}: TensorRT cannot infer its shapes: {err}') from err
    if missing:
        raise ModelError(
            f'{loaded.path}: the shapes of {", ".join(missing)} are not known; export the '
            'model with a fixed input size'
        )
    resolved = []
    for spec in outputs:
        shape = _tuple(loaded.context.get_tensor_shape(spec.name))
        if any(size < 0 for size in shape):
            raise ModelError(
                f'{loaded.path}: the size of output {quoted(spec.name)} depends on what is in '
                'the image; expected a fixed size. Export the model without suppression in it '
                '(Ultralytics: nms=False)'
            )
        resolved.append(replace(spec, shape=shape))
    return tuple(resolved)


def _tuple(dimensions: Any) -> tuple[int, ...]:
    """TensorRT's `Dims` as a tuple of Python ints, which is what it takes back."""
    return tuple(int(size) for size in dimensions)
