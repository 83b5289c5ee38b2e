"""YOLO: an image in, boxes with keypoints or masks out."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar

from jetson_perception.drawing import count_rows, draw_detections
from jetson_perception.model_info import ModelInfo, keypoint_name_of
from jetson_perception.models.base import Model
from jetson_perception.models.batching import most_together
from jetson_perception.models.describing import counted, listed
from jetson_perception.models.detection_params import DetectionParams
from jetson_perception.models.detection_records import in_words, records
from jetson_perception.models.task import ResultTopic, Task
from jetson_perception.models.tiling import TiledSearch
from jetson_perception.tasks.classes import class_ids, class_score_thresholds
from jetson_perception.tasks.detection_options import DetectionOptions
from jetson_perception.tasks.keypoints import COCO_KEYPOINT_NAMES, COCO_SKELETON
from jetson_perception.tasks.movenet import CLASS_NAMES, PersonLayout
from jetson_perception.tasks.object_layouts import (
    ObjectLayout,
    decode_objects,
    recognize_objects,
    recognize_other,
)
from jetson_perception.tasks.oriented_boxes import OrientedLayout
from jetson_perception.tasks.results import Detections
from jetson_perception.tracking import TrackedResults

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Iterable, Iterator, Sequence

    import numpy as np
    from numpy.typing import NDArray

    from jetson_perception.drawing import Overlay
    from jetson_perception.drawing.colors import Color
    from jetson_perception.engines.base import CudaEngine, Engine
    from jetson_perception.evaluation.agreement import DetectionAgreement
    from jetson_perception.evaluation.datasets import Dataset
    from jetson_perception.evaluation.evaluators import ObjectEvaluator
    from jetson_perception.images.arrays import ImageLike
    from jetson_perception.models.cuda import CudaPath
    from jetson_perception.tasks.network_outputs import NetworkOutputs
    from jetson_perception.tasks.tiles import Tiles


class ObjectDetection(Task):
    """Boxes, with keypoints or masks if the network has them."""

    nouns: ClassVar = {
        'detect': 'a detector',
        'pose': 'a pose model',
        'segment': 'an instance segmentation model',
        'obb': 'a detector of oriented boxes',
    }
    model_name = 'YoloModel'
    node = 'yolo_node'
    title = 'detection'
    kernels = ('preprocess', 'yolo', 'yolo_head')
    params = DetectionParams

    def takes(self, outputs: NetworkOutputs, info: ModelInfo) -> bool:
        """Take rows of floats, (1, n, m), unless `output` is set, which other tasks use."""
        if info.output:
            return False
        rows = len(outputs.shapes[0]) == 3 and outputs.dtype.kind == 'f'
        return rows or recognize_other(outputs, info) is not None

    def recognize(self, outputs: NetworkOutputs, info: ModelInfo) -> ObjectLayout:
        """The layout of all outputs."""
        return recognize_objects(outputs, info)

    def usual_preprocessing(self, layout: ObjectLayout, info: ModelInfo) -> ModelInfo:
        """What detectors other than YOLO are trained with."""
        return layout.usual

    def usual_padding(self, layout: ObjectLayout) -> int:
        """Black for networks that are trained so, else YOLO's gray."""
        return layout.padding

    def default_resize(self, network_wh: tuple[int, int]) -> str:
        """How YOLO models are usually trained."""
        return 'letterbox'

    def make(self, engine: Engine) -> YoloModel:
        """The model of an engine."""
        return YoloModel(engine)

    def overrides(self, params: DetectionParams) -> dict[str, Any]:
        """What the outputs hold."""
        shape = params.keypoint_shape
        return {
            'layout': params.layout,
            'box_format': params.box_format,
            'anchors': params.anchors,
            'keypoint_shape': (shape[0], shape[1]) if shape else None,
            'keypoint_names': params.keypoint_names,
        }

    def options(self, model: YoloModel, params: DetectionParams) -> DetectionOptions:
        """What the decoder keeps: with a tracker, also what may continue a track."""
        options = self._published(model, params)
        tracked = params.tracker != 'none'
        return options.down_to(params.track_low_threshold) if tracked else options

    def refiner(
        self, model: YoloModel, params: Callable[[], DetectionParams]
    ) -> TrackedResults[DetectionParams] | None:
        """The tracker that the parameters name."""
        if params().tracker == 'none':
            return None
        return TrackedResults(params, partial(self._published, model))

    @staticmethod
    def _published(model: YoloModel, params: DetectionParams) -> DetectionOptions:
        """What counts as a detection."""
        return DetectionOptions(
            params.score_threshold,
            params.iou_threshold,
            params.max_detections,
            params.class_agnostic,
            model.class_ids(params.classes),
            model.class_score_thresholds(params.class_score_thresholds),
        )

    def draw(
        self,
        canvas: NDArray[np.uint8],
        model: YoloModel,
        result: Detections,
        params: DetectionParams | None = None,
        overlay: Overlay | None = None,
    ) -> None:
        """Draw boxes, keypoints and masks."""
        shown = DetectionParams if params is None else params
        draw_detections(
            canvas,
            result,
            model.class_names,
            skeleton=model.skeleton,
            keypoint_score_threshold=shown.keypoint_score_threshold,
            overlay=overlay,
        )

    def count_rows(self, model: YoloModel, result: Detections) -> list[tuple[Color, str, str]]:
        """How many objects there are of each class."""
        return count_rows(result, model.class_names)

    def scaled(self, result: Detections, factor_xy: tuple[float, float]) -> Detections:
        """Boxes and keypoints."""
        return result.scaled(factor_xy)

    def record(self, model: YoloModel, result: Detections) -> dict[str, Any]:
        """The objects, with their pixel counts if there are masks."""
        return {'detections': records(result, model.class_name, model.keypoint_names)}

    def found(self, model: YoloModel, result: Detections) -> str:
        """How many objects of each class, with the best scores."""
        return in_words(result, model.class_name)

    def mask(self, result: Detections) -> NDArray[np.uint8] | NDArray[np.uint16] | None:
        """The number of the object that each pixel belongs to."""
        return result.instance_ids

    def topics(self, model: YoloModel) -> list[ResultTopic]:
        """Boxes; keypoints for a pose model; instance ids for a segmentation model."""
        from sensor_msgs.msg import Image
        from vision_msgs.msg import Detection2DArray

        from jetson_perception.msg import KeypointDetection2DArray
        from jetson_perception.ros.result_messages import InstanceMessage
        from jetson_perception.ros.serialized_results import DetectionBytes, KeypointBytes

        names = model.class_names
        topics = [ResultTopic('detections', Detection2DArray, DetectionBytes(names).fill)]
        if model.keypoint_names:
            writer = KeypointBytes(names, model.keypoint_names)
            topics.append(ResultTopic('keypoints', KeypointDetection2DArray, writer.fill))
        if model.has_masks:
            fill = InstanceMessage().fill
            topics.append(ResultTopic('instances', Image, fill))
        return topics

    def spatial_topics(self, model: YoloModel) -> list[ResultTopic]:
        """Boxes in space; keypoints for a pose model."""
        from vision_msgs.msg import Detection3DArray

        from jetson_perception.msg import KeypointDetection3DArray
        from jetson_perception.ros.spatial_messages import (
            SpatialDetectionMessage,
            SpatialKeypointMessage,
        )

        names = model.class_names
        fill = SpatialDetectionMessage(names).fill
        topics = [ResultTopic('detections_3d', Detection3DArray, fill)]
        if model.keypoint_names:
            writer = SpatialKeypointMessage(names, model.keypoint_names)
            topics.append(ResultTopic('keypoints_3d', KeypointDetection3DArray, writer.fill))
        return topics

    def describe(self, model: YoloModel) -> Iterator[tuple[str, str]]:
        """Task, layout, classes and keypoints."""
        layout = model.layout
        is_oriented = isinstance(layout, OrientedLayout)
        kind = 'instance segmentation' if model.has_masks else self.title
        kind = 'detection of oriented boxes' if is_oriented else kind
        yield 'task', 'pose' if layout.keypoint_count else kind
        yield 'layout', f'{layout.family}, {counted(layout.class_count, "class", "es")}'
        is_named = model.info.task if is_oriented else model.info.layout
        said = 'metadata, YAML file or parameters, which name it'
        yield 'told by', said if is_named else layout.told_by
        yield 'classes', listed(model.class_names) or 'not named'
        if layout.keypoint_count:
            yield 'keypoints', f'{layout.keypoint_count}: {listed(model.keypoint_names)}'
            yield 'skeleton', counted(len(model.skeleton), 'line')

    def evaluator(
        self,
        model: YoloModel,
        dataset: Dataset,
        options: DetectionOptions,
        ignored_id: int | None,
    ) -> ObjectEvaluator:
        """The average precision of each class."""
        from jetson_perception.evaluation.datasets import ObjectDataset
        from jetson_perception.evaluation.evaluators import ObjectEvaluator

        if isinstance(dataset, ObjectDataset):
            return ObjectEvaluator(model, dataset, options)
        raise self.wrong_dataset(model, dataset, "one with boxes, in COCO's or YOLO's format")

    def agreement(
        self, one: YoloModel, other: YoloModel, options: DetectionOptions, match_iou: float
    ) -> DetectionAgreement:
        """How well boxes, keypoints and masks agree."""
        from jetson_perception.evaluation.agreement import DetectionAgreement, require_equal

        counts = [model.layout.keypoint_count for model in (one, other)]
        require_equal(one, other, 'number of keypoints', *counts)
        return DetectionAgreement(one, other, options, match_iou)

    def usual_postprocess(self, model: YoloModel) -> Callable[..., Any]:
        """The usual thresholds and suppression, with keypoints for a pose model."""
        from jetson_perception.benchmark import baseline

        count = len(model.keypoint_names)
        if count:
            return lambda outputs, scale, bgr: baseline.postprocess_pose(
                baseline.anchor_rows(outputs[0]), scale, count
            )
        return lambda outputs, scale, bgr: baseline.postprocess_detection(
            baseline.anchor_rows(outputs[0]), scale
        )


class YoloModel(Model[Detections, DetectionOptions]):
    """A YOLO model: an image in, boxes with keypoints or masks out. Use `open` to create one.

    Its `layout` is a `YoloLayout`, its options are `DetectionOptions`.

    Attributes
    ----------
    keypoint_names : tuple of str
        One per keypoint. Without names in the model, COCO's if there are 17, else
        'keypoint_<index>'; empty for a detector.
    skeleton : tuple of (int, int)
        Pairs of keypoints that a drawing joins; by default COCO's with COCO's names.
    """

    task = ObjectDetection()

    layout: ObjectLayout

    def __init__(self, engine: Engine, options: DetectionOptions | None = None) -> None:
        self._search: TiledSearch | None = None
        super().__init__(engine, options)
        if isinstance(self.layout, PersonLayout) and not self.info.class_names:
            self.class_names = CLASS_NAMES
        count = self.layout.keypoint_count
        self.keypoint_names = self.info.keypoint_names
        self.skeleton = self.info.skeleton
        if count == len(COCO_KEYPOINT_NAMES) and not self.keypoint_names:
            self.keypoint_names = COCO_KEYPOINT_NAMES
            self.skeleton = self.skeleton or COCO_SKELETON
        elif not self.keypoint_names:
            self.keypoint_names = tuple(keypoint_name_of((), index) for index in range(count))

    @property
    def has_masks(self) -> bool:
        """Whether the model gives a mask for each object."""
        return self.layout.coefficient_count > 0

    @property
    def tiles(self) -> Tiles | None:
        """How images are cut into tiles; None if they are searched as a whole."""
        return None if self._search is None else self._search.tiles

    def set_up(self, params: DetectionParams) -> None:
        """Search tile by tile, if the parameters say so."""
        tiles = params.tiling()
        if tiles is not None:
            self.use_tiles(tiles)

    def use_tiles(self, tiles: Tiles | None) -> None:
        """Search images tile by tile from now on, or as a whole again.

        Not while another thread uses the model. Tiles run together if the model was seen to take
        batches.

        Raises
        ------
        CudaError
            When the GPU failed, or its memory is full.
        """
        self._search = None
        if tiles is not None and tiles.count > 1:
            together = most_together(self, tiles.count, 'tiles')
            arguments = self.engine, self.preprocessor, self.layout, tiles, together
            self._search = TiledSearch(*arguments)
            self.batch = 1
        path, self.device_path = self.device_path, None
        if path is not None:
            path.close()
        self.device_path = self._open_device_path()

    @property
    def input_key(self) -> Hashable:
        """Models with equal keys take the same input tensor, so it can be made once for all."""
        key = super().input_key
        return key if self._search is None else (key, self._search.tiles)

    def preprocess(
        self, image: ImageLike, out: NDArray[Any] | None = None
    ) -> tuple[NDArray[Any], Any]:
        """Input tensor for an image, or for all of its tiles; see `Model.preprocess`."""
        if self._search is None:
            return super().preprocess(image, out)
        return self._search.preprocess(image, out)

    def infer(self, tensor: NDArray[Any]) -> Sequence[NDArray[Any]]:
        """Outputs of the network, of one tile after another; the next call may overwrite them."""
        return super().infer(tensor) if self._search is None else self._search.infer(tensor)

    def postprocess(
        self,
        outputs: Sequence[NDArray[Any]],
        transform: Any,
        options: DetectionOptions | None = None,
    ) -> Detections:
        """Detections in pixels of the source image, best first."""
        options = options or self.options
        if self._search is None:
            return decode_objects(outputs, self.layout, transform, options)
        return self._search.postprocess(outputs, transform, options)

    def class_ids(self, names: Iterable[str]) -> tuple[int, ...] | None:
        """Ids of the named classes, for `DetectionOptions`; None, for all, without names.

        Raises
        ------
        ParameterError
            When no class has one of the names; the error suggests a similar one.
        """
        return class_ids(names, self.class_names)

    def class_score_thresholds(self, entries: Iterable[str]) -> tuple[tuple[int, float], ...]:
        """Thresholds of single classes, for `DetectionOptions`, from entries like 'person: 0.5'.

        Raises
        ------
        ParameterError
            When no class has one of the names, or a threshold is not a number from 0 to 1.
        """
        return class_score_thresholds(entries, self.class_names)

    def _default_options(self) -> DetectionOptions:
        return DetectionOptions()

    def _assume(self) -> dict[str, str]:
        # Only YOLO's own exporters write the stride, and their networks are trained this way.
        return {} if self.info.stride else super()._assume()

    def cuda_path(self, engine: CudaEngine) -> CudaPath[Detections, DetectionOptions] | None:
        """See `Model.cuda_path`; None for outputs that are decoded on the host."""
        from jetson_perception.cuda import Resources
        from jetson_perception.models.cuda import CudaPath
        from jetson_perception.models.cuda_decoders import make_decoder
        from jetson_perception.models.cuda_tiling import TiledCudaPath

        outputs = engine.output_buffers
        shapes, dtypes = [each.shape for each in outputs], [each.dtype for each in outputs]
        tiles = self.tiles
        held = Resources()
        with held.closed_on_error():
            decoders = []
            for _ in range(1 if tiles is None else tiles.count):
                decoder = make_decoder(engine.device, self.layout, self.network_wh, shapes, dtypes)
                if decoder is None:
                    return None  # decoded on the host
                decoders.append(held.add(decoder))
            if tiles is None:
                return CudaPath(engine, self.preprocessor, decoders[0], self.options)
            return TiledCudaPath(engine, self.preprocessor, decoders, self.options, tiles)


TASK = YoloModel.task
