"""Classification: an image in, the classes of the image as a whole out."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from jetson_perception.drawing import draw_classification
from jetson_perception.models.base import Model
from jetson_perception.models.describing import counted, listed, told_by
from jetson_perception.models.scored_params import ScoredParams
from jetson_perception.models.task import ResultTopic, Task
from jetson_perception.parameter_fields import param
from jetson_perception.tasks.activations import is_softmaxed
from jetson_perception.tasks.classes import class_ids, class_score_thresholds
from jetson_perception.tasks.classification import (
    ClassificationLayout,
    ClassificationOptions,
    classify,
    holds_classes,
    recognize_classification_layout,
)
from jetson_perception.tasks.results import Classification
from jetson_perception.tasks.unlike_outputs import refuse_unlike_outputs

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from numpy.typing import NDArray

    from jetson_perception.drawing import Overlay
    from jetson_perception.engines.base import Engine
    from jetson_perception.evaluation.agreement import ClassAgreement
    from jetson_perception.evaluation.datasets import Dataset
    from jetson_perception.evaluation.evaluators import ClassEvaluator
    from jetson_perception.model_info import ModelInfo
    from jetson_perception.tasks.network_outputs import NetworkOutputs
    from jetson_perception.tasks.preprocess import ImageTransform


@dataclass(frozen=True)
class ClassificationParams(ScoredParams):
    """Settings of a classifier besides the model."""

    output: str = param(
        'auto',
        'What the output of a classifier holds; auto: what the model says, else probabilities '
        'for an Ultralytics export and for values that sum to 1, and logits for any other.',
        choices=('auto', 'logits', 'probabilities'),
        at_configure=True,
    )
    top_k: int = param(
        5, 'Maximum number of classes per frame, for a classifier.', between=(1, 1000)
    )


class ImageClassification(Task):
    """The best classes of an image. Nothing but the engine runs on a GPU."""

    nouns: ClassVar = {'classify': 'an image classifier'}
    model_name = 'ClassificationModel'
    node = 'yolo_node'
    title = 'classification'
    params = ClassificationParams
    resizes = (*Task.resizes, 'center_crop')

    def takes(self, outputs: NetworkOutputs, info: ModelInfo) -> bool:
        """Take one float per class."""
        return holds_classes(outputs.shapes[0], outputs.dtype)

    def recognize(self, outputs: NetworkOutputs, info: ModelInfo) -> ClassificationLayout:
        """The layout of the first output.

        Raises
        ------
        ParameterError
            When another output may hold the classes as well.
        """
        layout = recognize_classification_layout(outputs.shapes[0], outputs.dtype, info)
        refuse_unlike_outputs(
            outputs,
            info,
            'a score for each class',
            lambda shape: shape[1] if holds_classes(shape, np.float32) else 0,
        )
        told = info.output or info.stride
        if not told and is_softmaxed(outputs.arrays[0], axis=1):
            return replace(layout, output='probabilities')
        return layout

    def default_resize(self, network_wh: tuple[int, int]) -> str:
        """Crop the image for a square input and stretch it for others, as Ultralytics does."""
        width, height = network_wh
        return 'center_crop' if width == height else 'stretch'

    def make(self, engine: Engine) -> ClassificationModel:
        """The model of an engine."""
        return ClassificationModel(engine)

    def overrides(self, params: ClassificationParams) -> dict[str, Any]:
        """What the output holds."""
        return {'output': params.output}

    def options(
        self, model: ClassificationModel, params: ClassificationParams
    ) -> ClassificationOptions:
        """Which classes are returned."""
        names = model.class_names
        return ClassificationOptions(
            params.score_threshold,
            params.top_k,
            class_ids(params.classes, names),
            class_score_thresholds(params.class_score_thresholds, names),
        )

    def draw(
        self,
        canvas: NDArray[np.uint8],
        model: ClassificationModel,
        result: Classification,
        params: ClassificationParams | None = None,
        overlay: Overlay | None = None,
    ) -> None:
        """Write the classes into the image."""
        draw_classification(canvas, result, model.class_names, overlay)

    def record(self, model: ClassificationModel, result: Classification) -> dict[str, Any]:
        """The classes with their scores, the best first."""
        return {
            'classification': [
                {
                    'class_id': class_id,
                    'class_name': model.class_name(class_id),
                    'score': round(score, 5),
                }
                for class_id, score in _rows(result)
            ]
        }

    def found(self, model: ClassificationModel, result: Classification) -> str:
        """The classes with their scores, the best first."""
        rows = (f'{model.class_name(class_id)} {score:.2f}' for class_id, score in _rows(result))
        return ', '.join(rows)

    def topics(self, model: ClassificationModel) -> list[ResultTopic]:
        """The classes with their scores, the best first."""
        from vision_msgs.msg import Classification as ClassificationMessage
        from vision_msgs.msg import ObjectHypothesis

        def fill(result: Classification, header: Any) -> Any:
            results = [
                ObjectHypothesis(class_id=model.class_name(class_id), score=score)
                for class_id, score in _rows(result)
            ]
            return ClassificationMessage(header=header, results=results)

        return [ResultTopic('classification', ClassificationMessage, fill)]

    def describe(self, model: ClassificationModel) -> Iterator[tuple[str, str]]:
        """Task, layout and classes."""
        layout = model.layout
        yield 'task', self.title
        yield 'layout', f'{layout.output}, {counted(layout.class_count, "class", "es")}'
        sure = layout.output == 'probabilities' and not (model.info.output or model.info.stride)
        of_classes = 'one value a class' + ', which sum to 1' * sure
        yield 'told by', told_by(model.info, of_classes)
        yield 'classes', listed(model.class_names)

    def evaluator(
        self, model: ClassificationModel, dataset: Dataset, options: Any, ignored_id: int | None
    ) -> ClassEvaluator:
        """How often the class of a picture is the best one, and among the best five."""
        from jetson_perception.evaluation.datasets import ClassDataset
        from jetson_perception.evaluation.evaluators import ClassEvaluator

        if isinstance(dataset, ClassDataset):
            return ClassEvaluator(model, dataset)
        fitting = 'a folder with a folder of pictures for each class'
        raise self.wrong_dataset(model, dataset, fitting)

    def agreement(
        self, one: ClassificationModel, other: ClassificationModel, options: Any, match_iou: float
    ) -> ClassAgreement:
        """The best class, and its score."""
        from jetson_perception.evaluation.agreement import ClassAgreement

        return ClassAgreement(one, other)

    def usual_postprocess(self, model: ClassificationModel) -> Callable[..., Any]:
        """The best class."""
        return lambda outputs, scale, bgr: int(np.argmax(outputs[0]))


class ClassificationModel(Model[Classification, ClassificationOptions]):
    """A classifier: an image in, its best classes out. Use `open` to create one.

    Its `layout` is a `ClassificationLayout`, its options are `ClassificationOptions`.
    """

    task = ImageClassification()

    layout: ClassificationLayout

    def postprocess(
        self,
        outputs: Sequence[NDArray[Any]],
        transform: ImageTransform,
        options: ClassificationOptions | None = None,
    ) -> Classification:
        """The best classes, as the options say."""
        return classify(outputs[0], self.layout, options or self.options)

    def _default_options(self) -> ClassificationOptions:
        return ClassificationOptions()

    def _assume(self) -> dict[str, str]:
        # As in `YoloModel`: exporters that write the stride use these settings in training.
        if self.info.stride:
            return {}
        # Probabilities are never assumed: their sum shows what they are.
        told = self.info.output or self.layout.output == 'probabilities'
        output = {} if told else {'output': self.layout.output}
        return output | super()._assume()


TASK = ClassificationModel.task


def _rows(result: Classification) -> Iterator[tuple[int, float]]:
    return zip(result.class_id.tolist(), result.score.tolist(), strict=True)
