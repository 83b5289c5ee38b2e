"""All ways in which outputs hold objects: for each a layout, how it is recognized and decoded.

To add one, write a file with its layout and both functions, and list it here. Where boxes, scores
and classes of a detector are columns of outputs, a family of `detectors` is enough.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, TypeAlias

from jetson_perception.errors import ModelError
from jetson_perception.tasks.anchor_heads import HeadLayout, decode_heads, recognize_heads
from jetson_perception.tasks.detectors.box_layout import BoxLayout
from jetson_perception.tasks.detectors.decoding import decode_boxes
from jetson_perception.tasks.detectors.registry import recognize_boxes
from jetson_perception.tasks.movenet import PersonLayout, decode_people, recognize_people
from jetson_perception.tasks.oriented_boxes import (
    OrientedLayout,
    decode_oriented,
    recognize_oriented,
)
from jetson_perception.tasks.selected_boxes import (
    SelectedLayout,
    decode_selected,
    recognize_selected,
)
from jetson_perception.tasks.yolo import YoloLayout, decode, recognize_layout, require_scores

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import Any

    from numpy.typing import NDArray

    from jetson_perception.model_info import ModelInfo
    from jetson_perception.tasks.detection_options import DetectionOptions
    from jetson_perception.tasks.network_outputs import NetworkOutputs
    from jetson_perception.tasks.preprocess import ImageTransform
    from jetson_perception.tasks.results import Detections

ObjectLayout: TypeAlias = (
    YoloLayout | BoxLayout | HeadLayout | SelectedLayout | PersonLayout | OrientedLayout
)


class _Way(NamedTuple):
    layout: type
    recognize: Callable[[NetworkOutputs, ModelInfo], Any]
    decode: Callable[..., Detections]


_OTHERS = (
    _Way(OrientedLayout, recognize_oriented, decode_oriented),
    _Way(PersonLayout, recognize_people, decode_people),
    _Way(HeadLayout, recognize_heads, decode_heads),
    _Way(SelectedLayout, recognize_selected, decode_selected),
    _Way(BoxLayout, recognize_boxes, decode_boxes),
)
_DECODERS: dict[type, Callable[..., Detections]] = {
    YoloLayout: decode,
    **{each.layout: each.decode for each in _OTHERS},
}


def recognize_other(outputs: NetworkOutputs, info: ModelInfo) -> ObjectLayout | None:
    """The layout of a network that is no YOLO, or whose outputs are none of YOLO's usual ones.

    Raises
    ------
    ModelError
        When `task` or `layout` name one, and the outputs are not its.
    ParameterError
        When outputs can be read in several ways; the error names the parameter that decides.
    """
    if info.task not in ('', 'detect', 'pose', 'obb'):
        return None
    found = (each.recognize(outputs, info) for each in _OTHERS)
    return next((each for each in found if each is not None), None)


def recognize_objects(outputs: NetworkOutputs, info: ModelInfo) -> ObjectLayout:
    """The layout of a network that finds objects.

    Raises
    ------
    ModelError
        When its outputs hold none, or are not what `task` or `layout` name.
    ParameterError
        When outputs can be read in several ways; the error names the parameter that decides.
    """
    other = recognize_other(outputs, info)
    if other is not None:
        return other
    if outputs.dtype.kind != 'f':
        raise ModelError(
            f'{info.path} gives {outputs.dtype} {outputs.shapes[0]}, but boxes are floats; '
            'export a detect, pose or segment model'
        )
    layout = recognize_layout(outputs.shapes, info, outputs.network_wh)
    require_scores(outputs.arrays, layout, info)
    return layout


def decode_objects(
    outputs: Sequence[NDArray[Any]],
    layout: ObjectLayout,
    transform: ImageTransform,
    options: DetectionOptions,
) -> Detections:
    """Objects in pixels of the source image, best score first, by the decoder of their layout.

    Raises
    ------
    ModelError
        When the outputs do not have the layout's shapes, or what decides the result is not
        finite.
    """
    return _DECODERS[type(layout)](outputs, layout, transform, options)
