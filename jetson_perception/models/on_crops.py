"""What models do on the boxes of a detector, and what comes of that: a task for each that can.

A task whose results are of use for parts of an image has a class here, which `_ON_CROPS` lists.
"""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from jetson_perception.drawing import draw_detections
from jetson_perception.errors import ParameterError
from jetson_perception.models.classification import ImageClassification
from jetson_perception.models.task import ResultTopic, Task
from jetson_perception.models.yolo import ObjectDetection
from jetson_perception.tasks.crops import join_objects
from jetson_perception.tasks.results import ClassifiedObjects, Detections

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import numpy as np
    from numpy.typing import NDArray

    from jetson_perception.drawing import Overlay
    from jetson_perception.models.base import Model
    from jetson_perception.models.classification import ClassificationModel, ClassificationParams
    from jetson_perception.models.detection_params import DetectionParams
    from jetson_perception.models.yolo import YoloModel
    from jetson_perception.tasks.crops import CropOptions, Crops
    from jetson_perception.tasks.detection_options import DetectionOptions
    from jetson_perception.tasks.results import Classification


class TaskOnCrops(Task):
    """A task whose models look at the boxes of a detector, each by itself.

    It also is the `Task` of what comes of that: how it is drawn, published and recorded.
    """

    @abstractmethod
    def joined(
        self, model: Any, crops: Crops, results: Sequence[Any], options: CropOptions
    ) -> Any:
        """One result of an image from those of its crops; there may be none.

        Parameters
        ----------
        model : Model
            What made them.
        crops : Crops
            What the image was cut into.
        results : sequence
            What the model's `postprocess` gave for each.
        options : CropOptions
            What the image was cut by.
        """

    def crop_options(self, model: Any, options: CropOptions, kept: str) -> CropOptions:
        """The options with which objects of a crop are kept.

        Parameters
        ----------
        kept : str
            'one', 'all', or 'auto' for what suits the model.
        """
        return options


class ObjectsOnCrops(ObjectDetection, TaskOnCrops):
    """Objects on the objects of a detector, in pixels of the whole image, with its ids."""

    def refiner(self, model: YoloModel, params: Callable[[], DetectionParams]) -> None:
        """Track nothing: objects have the ids of those that they were found on."""

    def options(self, model: YoloModel, params: DetectionParams) -> DetectionOptions:
        """What counts as a detection."""
        return self._published(model, params)

    def crop_options(self, model: YoloModel, options: CropOptions, kept: str) -> CropOptions:
        """One pose or mask for each box; of what a detector finds there, all."""
        is_about_the_box = model.layout.keypoint_count > 0 or model.has_masks
        one_each = is_about_the_box if kept == 'auto' else kept == 'one'
        return replace(options, one_each=one_each)

    def joined(
        self,
        model: YoloModel,
        crops: Crops,
        results: Sequence[Detections],
        options: CropOptions,
    ) -> Detections:
        """The objects of all crops."""
        masks_wh = crops.size_wh if model.has_masks else None
        nothing = Detections.empty(model.layout.keypoint_count, masks_wh)
        return join_objects(crops, results, nothing, one_each=options.one_each)


class ClassesOnCrops(ImageClassification, TaskOnCrops):
    """The best classes of each object of a detector; its results are `ClassifiedObjects`."""

    def joined(
        self,
        model: ClassificationModel,
        crops: Crops,
        results: Sequence[Classification],
        options: CropOptions,
    ) -> ClassifiedObjects:
        """The objects with their classes."""
        return ClassifiedObjects(crops.objects, tuple(results))

    def draw(
        self,
        canvas: NDArray[np.uint8],
        model: ClassificationModel,
        result: Any,
        params: ClassificationParams | None = None,
        overlay: Overlay | None = None,
    ) -> None:
        """Draw the boxes with the best class of each."""
        draw_detections(canvas, result.named(), model.class_names, overlay=overlay)

    def scaled(
        self, result: ClassifiedObjects, factor_xy: tuple[float, float]
    ) -> ClassifiedObjects:
        """Boxes."""
        return result.scaled(factor_xy)

    def record(self, model: ClassificationModel, result: Any) -> dict[str, Any]:
        """Id, box and classes of each object."""
        ids, boxes = result.objects.track_names(), result.objects.xyxy.tolist()
        return {
            'detections': [
                {
                    'id': id_,
                    'xyxy': [round(value, 2) for value in box],
                    **super(ClassesOnCrops, self).record(model, found),
                }
                for id_, box, found in zip(ids, boxes, result.classes, strict=True)
            ]
        }

    def found(self, model: ClassificationModel, result: Any) -> str:
        """The best class of each object, with its score."""
        named = result.named()
        rows = zip(named.class_id.tolist(), named.score.tolist(), strict=True)
        return ', '.join(f'{model.class_name(class_id)} {score:.2f}' for class_id, score in rows)

    def topics(self, model: ClassificationModel) -> list[ResultTopic]:
        """The detector's boxes with its ids, and the classes of each as its hypotheses."""
        from vision_msgs.msg import Detection2DArray

        from jetson_perception.ros.result_messages import classified_objects_message

        def fill(result: ClassifiedObjects, header: Any) -> Any:
            return classified_objects_message(result, model.class_names, header)

        return [ResultTopic('detections', Detection2DArray, fill)]


#: By the class of the task of whole images.
_ON_CROPS: dict[type[Task], TaskOnCrops] = {
    ObjectDetection: ObjectsOnCrops(),
    ImageClassification: ClassesOnCrops(),
}


def require_on_crops(model: Model[Any, Any]) -> TaskOnCrops:
    """What a model does on crops.

    Raises
    ------
    ParameterError
        When it can do nothing with them.
    """
    task = _ON_CROPS.get(type(model.task))
    if task is None:
        able = ', '.join(each.noun for each in _ON_CROPS.values())
        raise ParameterError(
            f'crop_of is set, and {model.info.path} is {model.task.noun}; expected one of: '
            f'{able}; leave crop_of empty, or give another model',
            'crop_of',
        )
    return task


def finds_objects(task: Task) -> bool:
    """Whether the results of a task are `Detections`, on whose boxes others can look."""
    return isinstance(task, ObjectDetection)


def shown_objects(task: Task) -> Callable[[Any], Detections] | None:
    """What gives the objects of a result with what is said of them; None where there are none."""
    if isinstance(task, ClassesOnCrops):
        return ClassifiedObjects.named
    return (lambda result: result) if finds_objects(task) else None
