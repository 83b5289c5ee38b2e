"""YOLO: an image in, boxes with keypoints or masks out."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from jetson_perception.drawing import draw_detections
from jetson_perception.errors import ModelError
from jetson_perception.model_info import LAYOUTS, ModelInfo, keypoint_name_of
from jetson_perception.models.base import Model
from jetson_perception.models.describing import counted, listed
from jetson_perception.models.scored_params import ScoredParams
from jetson_perception.models.task import ResultTopic, Task
from jetson_perception.parameter_fields import param
from jetson_perception.tasks.box_layouts import BoxLayout, decode_boxes
from jetson_perception.tasks.classes import class_ids, class_score_thresholds
from jetson_perception.tasks.detection_options import DetectionOptions
from jetson_perception.tasks.exports import recognize_boxes
from jetson_perception.tasks.keypoints import COCO_KEYPOINT_NAMES, COCO_SKELETON
from jetson_perception.tasks.results import Detections
from jetson_perception.tasks.yolo import YoloLayout, decode, recognize_layout
from jetson_perception.tracking import TrackedResults, TrackingParams

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from numpy.typing import NDArray

    from jetson_perception.drawing import Overlay
    from jetson_perception.engines.base import CudaEngine, Engine
    from jetson_perception.evaluation.agreement import DetectionAgreement
    from jetson_perception.evaluation.datasets import Dataset
    from jetson_perception.evaluation.evaluators import ObjectEvaluator
    from jetson_perception.models.cuda import CudaPath
    from jetson_perception.tasks.network_outputs import NetworkOutputs
    from jetson_perception.tasks.preprocess import ImageTransform


@dataclass(frozen=True)
class DetectionParams(TrackingParams, ScoredParams):
    """Settings of a YOLO model besides the model."""

    layout: str = param(
        'auto',
        'Output layout: objectness (YOLOv5, v7), anchor_free (v8, 11, 12), end_to_end (v10, 26), '
        'rt_detr (RT-DETR, D-FINE, RF-DETR), detr (DETR, YOLOS), yolox (YOLOX, YOLOv6), '
        'boxes_scores (YOLO-NAS, PP-YOLOE), suppressed (boxes, scores and classes of what a '
        'suppression in the network left); auto: inferred from the outputs.',
        choices=('auto', *LAYOUTS),
        at_configure=True,
    )
    keypoint_shape: tuple[int, ...] = param(
        (),
        'Number of keypoints per object and of values per keypoint (2 or 3), for a pose model '
        'without this metadata.',
        at_configure=True,
        example='[17, 3]',
    )
    keypoint_names: tuple[str, ...] = param(
        (),
        'Name of each keypoint; by default the COCO names if there are 17.',
        at_configure=True,
        example='[nose, left_eye, right_eye]',
    )
    iou_threshold: float = param(
        0.7,
        'If boxes overlap (IoU) by more than this, only the best is kept.',
        between=(0.0, 1.0),
    )
    max_detections: int = param(300, 'Maximum number of objects per frame.', between=(1, 10000))
    class_agnostic: bool = param(False, 'Let boxes of different classes suppress each other.')
    keypoint_score_threshold: float = param(
        0.5, 'Draw keypoints that score at least this; all are published.', between=(0.0, 1.0)
    )

    def problem(self) -> str:
        """What is wrong with the fields or their combination; empty if nothing is."""
        shape = self.keypoint_shape
        if shape and (len(shape) != 2 or shape[0] < 1 or shape[1] not in (2, 3)):
            return f'keypoint_shape is {list(shape)}; expected [keypoints, 2 or 3]'
        return ''


#: As the frameworks prepare images for networks of these layouts.
_USUAL = {
    'rt_detr': ModelInfo(resize='stretch'),
    'detr': ModelInfo(resize='stretch', mean=(0.485, 0.456, 0.406), std=(0.229, 0.224, 0.225)),
    'yolox': ModelInfo(resize='letterbox_top_left', scale=1.0, color_order='bgr'),
}


class ObjectDetection(Task):
    """Boxes, with keypoints or masks if the network has them."""

    nouns: ClassVar = {
        'detect': 'a detector',
        'pose': 'a pose model',
        'segment': 'an instance segmentation model',
    }
    model_name = 'YoloModel'
    node = 'yolo_node'
    title = 'detection'
    params = DetectionParams

    def takes(self, outputs: NetworkOutputs, info: ModelInfo) -> bool:
        """Take rows of floats, (1, n, m), unless `output` is set, which other tasks use."""
        if info.output:
            return False
        rows = len(outputs.shapes[0]) == 3 and outputs.dtype.kind == 'f'
        return rows or recognize_boxes(outputs, info) is not None

    def recognize(self, outputs: NetworkOutputs, info: ModelInfo) -> YoloLayout | BoxLayout:
        """The layout of all outputs."""
        if info.task in ('', 'detect'):
            boxes = recognize_boxes(outputs, info)
            if boxes is not None:
                return boxes
        if outputs.dtype.kind != 'f':
            raise ModelError(
                f'{info.path} gives {outputs.dtype} {outputs.shapes[0]}, but boxes are floats; '
                'export a detect, pose or segment model'
            )
        return recognize_layout(outputs.shapes, info, outputs.network_wh)

    def usual_preprocessing(self, layout: YoloLayout | BoxLayout, info: ModelInfo) -> ModelInfo:
        """What detectors other than YOLO are trained with."""
        return _USUAL.get(layout.family, ModelInfo())

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

    def scaled(self, result: Detections, factor_xy: tuple[float, float]) -> Detections:
        """Boxes and keypoints."""
        return result.scaled(factor_xy)

    def record(self, model: YoloModel, result: Detections) -> dict[str, Any]:
        """The objects, with their pixel counts if there are masks."""
        found = [_record(model, result, row) for row in range(len(result))]
        if result.instance_ids is not None:
            pixels = np.bincount(result.instance_ids.ravel(), minlength=len(result) + 1)
            for each, count in zip(found, pixels[1:].tolist(), strict=True):
                each['pixels'] = count
        return {'detections': found}

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

    def describe(self, model: YoloModel) -> Iterator[tuple[str, str]]:
        """Task, layout, classes and keypoints."""
        layout = model.layout
        kind = 'instance segmentation' if model.has_masks else self.title
        yield 'task', 'pose' if layout.keypoint_count else kind
        yield 'layout', f'{layout.family}, {counted(layout.class_count, "class", "es")}'
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

    layout: YoloLayout | BoxLayout

    def __init__(self, engine: Engine, options: DetectionOptions | None = None) -> None:
        super().__init__(engine, options)
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

    def postprocess(
        self,
        outputs: Sequence[NDArray[Any]],
        transform: ImageTransform,
        options: DetectionOptions | None = None,
    ) -> Detections:
        """Detections in pixels of the source image, best first."""
        if isinstance(self.layout, BoxLayout):
            return decode_boxes(outputs, self.layout, transform, options or self.options)
        return decode(outputs, self.layout, transform, options or self.options)

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

    def _cuda_path(self, engine: CudaEngine) -> CudaPath[Detections, DetectionOptions] | None:
        if isinstance(self.layout, BoxLayout):
            return None  # decoded on the host
        from jetson_perception.cuda.yolo import CudaDecoder
        from jetson_perception.models.cuda import CudaPath

        outputs = engine.output_buffers
        shapes, dtypes = [each.shape for each in outputs], [each.dtype for each in outputs]
        decoder = CudaDecoder(engine.device, self.layout, shapes, dtypes)
        return CudaPath(engine, self.preprocessor, decoder, self.options)


TASK = YoloModel.task


def _record(model: YoloModel, found: Detections, row: int) -> dict[str, Any]:
    class_id = int(found.class_id[row])
    detection: dict[str, Any] = {
        'class_id': class_id,
        'class_name': model.class_name(class_id),
        'score': round(float(found.score[row]), 5),
        'xyxy': [round(float(value), 2) for value in found.xyxy[row]],
    }
    if found.track_id is not None:
        track = int(found.track_id[row])
        detection['track_id'] = track if track >= 0 else None
    if found.keypoints is not None:
        points = zip(model.keypoint_names, found.keypoints[row], strict=True)
        detection['keypoints'] = [
            {
                'name': name,
                'x': round(float(x), 2),
                'y': round(float(y), 2),
                'score': round(float(score), 5),
            }
            for name, (x, y, score) in points
        ]
    return detection
