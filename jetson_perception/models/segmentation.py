"""Semantic segmentation: an image in, a class per pixel out."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any, ClassVar

from jetson_perception.models.base import Model
from jetson_perception.models.task import Task
from jetson_perception.tasks.results import Segmentation
from jetson_perception.tasks.segmentation import (
    SegmentationLayout,
    SegmentationOptions,
    recognize_segmentation_layout,
    segment,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np
    from numpy.typing import NDArray

    from jetson_perception.engines.base import CudaEngine, Engine
    from jetson_perception.model_info import ModelInfo
    from jetson_perception.models.cuda_segmentation import CudaSegmentation
    from jetson_perception.tasks.preprocess import ImageTransform

_log = logging.getLogger(__name__)


class SemanticSegmentation(Task):
    """A class per pixel."""

    nouns: ClassVar = {'semantic': 'a semantic segmentation model'}
    model_name = 'SegmentationModel'
    node = 'seg_node'
    default_resize = 'stretch'

    def takes(self, shape: tuple[int, ...], dtype: np.dtype, info: ModelInfo) -> bool:
        """Take whatever no other task does, so that the error says what is expected."""
        return True

    def recognize(
        self,
        shapes: Sequence[tuple[int, ...]],
        dtype: np.dtype,
        info: ModelInfo,
        network_wh: tuple[int, int],
    ) -> SegmentationLayout:
        """The layout of the first output."""
        return recognize_segmentation_layout(shapes[0], dtype, info, network_wh)

    def make(self, engine: Engine) -> SegmentationModel:
        """The model of an engine."""
        return SegmentationModel(engine)


class SegmentationModel(Model[Segmentation, SegmentationOptions]):
    """A semantic segmentation model: an image in, a class per pixel out. Made by `open`.

    Its `layout` is a `SegmentationLayout`, its options are `SegmentationOptions`.
    """

    task = SemanticSegmentation()

    layout: SegmentationLayout

    def __init__(self, engine: Engine, options: SegmentationOptions | None = None) -> None:
        super().__init__(engine, options)
        if len(engine.outputs) > 1:
            _log.info(
                "%s: output '%s' is used; the model has %d more",
                self.info.path,
                engine.outputs[0].name,
                len(engine.outputs) - 1,
            )

    def postprocess(
        self,
        outputs: Sequence[NDArray[Any]],
        transform: ImageTransform,
        options: SegmentationOptions | None = None,
    ) -> Segmentation:
        """A class per pixel, at the image's size or the network's, as the options say."""
        return segment(outputs[0], self.layout, transform, options or self.options)

    def _default_options(self) -> SegmentationOptions:
        return SegmentationOptions()

    def _assume(self) -> dict[str, str]:
        # Class ids are known by their type, and one channel has to be said.
        output = {} if self.info.output else {'output': self.layout.output}
        if self.layout.output == 'class_ids':
            output = {}
        return output | super()._assume()

    def _cuda_path(self, engine: CudaEngine) -> CudaSegmentation:
        from jetson_perception.models.cuda_segmentation import CudaSegmentation

        return CudaSegmentation(engine, self.preprocessor, self.layout, self.options)


TASK = SegmentationModel.task
