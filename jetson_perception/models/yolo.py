"""YOLO: an image in, boxes with keypoints or masks out."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from jetson_perception.errors import ModelError
from jetson_perception.models.base import Model
from jetson_perception.models.task import Task
from jetson_perception.tasks.classes import class_ids, class_score_thresholds
from jetson_perception.tasks.keypoints import COCO_KEYPOINT_NAMES, COCO_SKELETON
from jetson_perception.tasks.results import Detections
from jetson_perception.tasks.yolo import DetectionOptions, YoloLayout, decode, recognize_layout

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    import numpy as np
    from numpy.typing import NDArray

    from jetson_perception.engines.base import CudaEngine, Engine
    from jetson_perception.model_info import ModelInfo
    from jetson_perception.models.cuda import CudaPath
    from jetson_perception.tasks.preprocess import ImageTransform


class ObjectDetection(Task):
    """Boxes, with keypoints or masks where the network gives them."""

    nouns: ClassVar = {
        'detect': 'a detector',
        'pose': 'a pose model',
        'segment': 'an instance segmentation model',
    }
    model_name = 'YoloModel'
    node = 'yolo_node'
    default_resize = 'letterbox'

    def takes(self, shape: tuple[int, ...], dtype: np.dtype, info: ModelInfo) -> bool:
        """Take rows of floats, (1, n, m); `output` is a setting of other tasks."""
        return len(shape) == 3 and dtype.kind == 'f' and not info.output

    def recognize(
        self,
        shapes: Sequence[tuple[int, ...]],
        dtype: np.dtype,
        info: ModelInfo,
        network_wh: tuple[int, int],
    ) -> YoloLayout:
        """The layout of all outputs."""
        if dtype.kind != 'f':
            raise ModelError(
                f'{info.path} gives {dtype} {shapes[0]}; boxes are floats: export a detect, pose '
                'or segment model'
            )
        return recognize_layout(shapes, info, network_wh)

    def make(self, engine: Engine) -> YoloModel:
        """The model of an engine."""
        return YoloModel(engine)


class YoloModel(Model[Detections, DetectionOptions]):
    """A YOLO model: an image in, boxes with keypoints or masks out. Made by `open`.

    Its `layout` is a `YoloLayout`, its options are `DetectionOptions`.

    Attributes
    ----------
    keypoint_names : tuple of str
        One a keypoint: COCO's for 17 that nothing names, else 'keypoint_<index>'; empty for a
        detector.
    skeleton : tuple of (int, int)
        Pairs of keypoints that a drawing joins; COCO's with COCO's names.
    """

    task = ObjectDetection()

    layout: YoloLayout

    def __init__(self, engine: Engine, options: DetectionOptions | None = None) -> None:
        super().__init__(engine, options)
        count = self.layout.keypoint_count
        self.keypoint_names = self.info.keypoint_names
        self.skeleton = self.info.skeleton
        if count == len(COCO_KEYPOINT_NAMES) and not self.keypoint_names:
            self.keypoint_names = COCO_KEYPOINT_NAMES
            self.skeleton = self.skeleton or COCO_SKELETON
        elif not self.keypoint_names:
            self.keypoint_names = tuple(f'keypoint_{index}' for index in range(count))

    def postprocess(
        self,
        outputs: Sequence[NDArray[Any]],
        transform: ImageTransform,
        options: DetectionOptions | None = None,
    ) -> Detections:
        """Boxes in the source image's pixels, best first."""
        return decode(outputs, self.layout, transform, options or self.options)

    def class_ids(self, names: Iterable[str]) -> tuple[int, ...] | None:
        """Ids of the classes of these names, for `DetectionOptions`; None for no name: all.

        Raises
        ------
        ParameterError
            For a name that no class has; says which is near.
        """
        return class_ids(names, self.class_names)

    def class_score_thresholds(self, entries: Iterable[str]) -> tuple[tuple[int, float], ...]:
        """Thresholds of single classes, for `DetectionOptions`, from entries as 'person: 0.5'.

        Raises
        ------
        ParameterError
            For a name that no class has, and for what is no number from 0 to 1.
        """
        return class_score_thresholds(entries, self.class_names)

    def _default_options(self) -> DetectionOptions:
        return DetectionOptions()

    def _assume(self) -> dict[str, str]:
        # The exporters that write the stride write it of networks trained so: YOLO's own.
        return {} if self.info.stride else super()._assume()

    def _cuda_path(self, engine: CudaEngine) -> CudaPath[Detections, DetectionOptions]:
        from jetson_perception.cuda.yolo import CudaDecoder
        from jetson_perception.models.cuda import CudaPath

        outputs = engine.output_buffers
        shapes, dtypes = [each.shape for each in outputs], [each.dtype for each in outputs]
        decoder = CudaDecoder(engine.device, self.layout, shapes, dtypes)
        return CudaPath(engine, self.preprocessor, decoder, self.options)


TASK = YoloModel.task
