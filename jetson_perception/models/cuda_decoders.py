"""The decoder on the GPU for each layout of objects that has one."""

from __future__ import annotations

from typing import TYPE_CHECKING

from jetson_perception.cuda.anchor_heads import CudaHeadDecoder
from jetson_perception.cuda.boxes import CudaBoxDecoder
from jetson_perception.cuda.movenet import CudaPeopleDecoder
from jetson_perception.cuda.oriented_boxes import CudaOrientedDecoder
from jetson_perception.cuda.selected_boxes import CudaSelectedDecoder
from jetson_perception.cuda.yolo import CudaDecoder
from jetson_perception.tasks.anchor_heads import HeadLayout
from jetson_perception.tasks.detectors.box_layout import BoxLayout
from jetson_perception.tasks.movenet import PersonLayout
from jetson_perception.tasks.oriented_boxes import OrientedLayout
from jetson_perception.tasks.selected_boxes import SelectedLayout
from jetson_perception.tasks.yolo import YoloLayout

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import DTypeLike

    from jetson_perception.cuda.device import CudaDevice
    from jetson_perception.models.cuda import Postprocessor
    from jetson_perception.tasks.detection_options import DetectionOptions
    from jetson_perception.tasks.object_layouts import ObjectLayout
    from jetson_perception.tasks.results import Detections


def make_decoder(
    device: CudaDevice,
    layout: ObjectLayout,
    network_wh: tuple[int, int],
    output_shapes: Sequence[tuple[int, ...]],
    output_dtypes: Sequence[DTypeLike],
) -> Postprocessor[Detections, DetectionOptions] | None:
    """A decoder of an engine's outputs on the GPU; None where only the CPU decodes the layout.

    Raises
    ------
    ModelError
        When an output does not have the layout's shape, or has a type that no kernel reads.
    CudaError
        When the kernels cannot be compiled or loaded, or the GPU's memory is full.
    """
    outputs = output_shapes, output_dtypes
    if isinstance(layout, YoloLayout):
        return CudaDecoder(device, layout, *outputs)
    if isinstance(layout, BoxLayout):
        return CudaBoxDecoder(device, layout, network_wh, *outputs)
    if isinstance(layout, OrientedLayout):
        return CudaOrientedDecoder(device, layout, *outputs)
    if isinstance(layout, HeadLayout):
        return CudaHeadDecoder(device, layout, *outputs)
    if isinstance(layout, SelectedLayout):
        return CudaSelectedDecoder(device, layout, network_wh, *outputs)
    if isinstance(layout, PersonLayout):
        return CudaPeopleDecoder(device, layout, network_wh, *outputs)
    return None
