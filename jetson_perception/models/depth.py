"""Depth from one image: an image in, how far each of its pixels is out."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from jetson_perception.drawing import color_depth, draw_depth
from jetson_perception.model_info import ModelInfo
from jetson_perception.models.base import Model
from jetson_perception.models.describing import told_by
from jetson_perception.models.task import PictureTopic, ResultTopic, Task
from jetson_perception.parameter_fields import param
from jetson_perception.tasks.depth_maps import (
    DepthLayout,
    depth_of_image,
    may_be_depth,
    named_depth,
    recognize_depth,
)
from jetson_perception.tasks.results import DepthMap

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

    from jetson_perception.drawing import Overlay
    from jetson_perception.engines.base import Engine
    from jetson_perception.evaluation.datasets import Dataset
    from jetson_perception.evaluation.depth_errors import DepthEvaluator
    from jetson_perception.tasks.network_outputs import NetworkOutputs
    from jetson_perception.tasks.preprocess import ImageTransform

_IMAGENET = ModelInfo(mean=(0.485, 0.456, 0.406), std=(0.229, 0.224, 0.225))
_WORDS = {
    'metric': 'metres',
    'relative': 'relative depth, larger is farther',
    'inverse': 'relative inverse depth, larger is nearer',
}


@dataclass(frozen=True)
class DepthParams:
    """Settings of a depth model besides the model."""

    depth_values: str = param(
        'auto',
        'What the output of a depth model holds: metric, metres along the optical axis; relative, '
        'no unit, larger is farther; inverse, no unit, larger is nearer; auto: what the model '
        'says, else inverse.',
        choices=('auto', 'metric', 'relative', 'inverse'),
        at_configure=True,
    )
    depth_blend: float = param(
        0.4,
        'Share of the image that remains visible under the colors of depth in annotated.',
        between=(0.0, 1.0),
    )


class DepthEstimation(Task):
    """The depth of each pixel. Nothing but the engine runs on a GPU."""

    nouns: ClassVar = {'depth': 'a depth model'}
    model_name = 'DepthModel'
    node = 'yolo_node'
    title = 'depth from one image'
    params = DepthParams

    def takes(self, outputs: NetworkOutputs, info: ModelInfo) -> bool:
        """Take what is called depth, and a map of one value a place that nothing explains."""
        if info.layout or info.output:
            return False
        return self.is_named(outputs) or may_be_depth(outputs)

    def is_named(self, outputs: NetworkOutputs) -> bool:
        """Whether an output is called depth, or disparity."""
        return bool(named_depth(outputs))

    def recognize(self, outputs: NetworkOutputs, info: ModelInfo) -> DepthLayout:
        """The output that holds depth."""
        return recognize_depth(outputs, info)

    def default_resize(self, network_wh: tuple[int, int]) -> str:
        """As Ultralytics and Depth Anything fit images to an input of fixed size."""
        return 'stretch'

    def usual_preprocessing(self, layout: DepthLayout, info: ModelInfo) -> ModelInfo:
        """As YOLO is trained, whose exporter alone writes a stride; else with ImageNet's mean."""
        return ModelInfo() if info.stride else _IMAGENET

    def make(self, engine: Engine) -> DepthModel:
        """The model of an engine."""
        return DepthModel(engine)

    def overrides(self, params: DepthParams) -> dict[str, Any]:
        """What the output holds."""
        return {'depth_values': params.depth_values}

    def options(self, model: DepthModel, params: DepthParams) -> None:
        """Nothing: every pixel has a depth."""

    def draw(
        self,
        canvas: NDArray[np.uint8],
        model: DepthModel,
        result: DepthMap,
        params: DepthParams | None = None,
        overlay: Overlay | None = None,
    ) -> None:
        """Tint the image by depth."""
        draw_depth(canvas, result, (DepthParams if params is None else params).depth_blend)

    def record(self, model: DepthModel, result: DepthMap) -> dict[str, Any]:
        """The range of depth."""
        low, middle, high = _range(result)
        return {
            'depth': {'values': result.meaning, 'least': low, 'median': middle, 'most': high},
        }

    def found(self, model: DepthModel, result: DepthMap) -> str:
        """The range of depth."""
        low, middle, high = _range(result)
        if middle is None:
            return ''
        if result.is_metric:
            return f'depth {low:.2f} to {high:.2f} m, median {middle:.2f} m'
        return f'{_WORDS[result.meaning]}, {low:.4g} to {high:.4g}, median {middle:.4g}'

    def mask(self, result: DepthMap) -> NDArray[np.float32]:
        """The depth of each pixel."""
        return result.values

    def topics(self, model: DepthModel) -> list[ResultTopic]:
        """The depth of each pixel: in metres, or under a name that says that it has no unit."""
        from sensor_msgs.msg import Image

        from jetson_perception.ros.image_messages import ImageMessage

        message = ImageMessage()

        def fill(result: DepthMap, header: Any) -> Any:
            return message.fill(result.values, '32FC1', header)

        return [ResultTopic(_topic(model), Image, fill)]

    def picture_topics(self, model: DepthModel) -> list[PictureTopic]:
        """Depth in colors."""
        return [PictureTopic(f'{_topic(model)}/color', color_depth)]

    def evaluator(
        self, model: DepthModel, dataset: Dataset, options: Any, ignored_id: int | None
    ) -> DepthEvaluator:
        """How far depth is off: its relative error, RMSE, and the share within 25 %."""
        from jetson_perception.evaluation.datasets import DepthDataset
        from jetson_perception.evaluation.depth_errors import DepthEvaluator

        if isinstance(dataset, DepthDataset):
            return DepthEvaluator(model, dataset)
        raise self.wrong_dataset(model, dataset, 'a folder with images/ and depth/')

    def describe(self, model: DepthModel) -> Iterator[tuple[str, str]]:
        """Task, layout and what it was told by."""
        layout = model.layout
        yield 'task', self.title
        yield 'layout', f'{_WORDS[layout.values]}; output {layout.name}'
        otherwise = f'the name of the output, {layout.name}' if layout.by_name else 'depth_values'
        yield 'told by', told_by(model.info, otherwise)


class DepthModel(Model[DepthMap, None]):
    """A depth model: an image in, how far each of its pixels is out. Use `open` to create one.

    Its `layout` is a `DepthLayout`; it has no options.
    """

    task = DepthEstimation()

    layout: DepthLayout

    def __init__(self, engine: Engine, options: None = None) -> None:
        super().__init__(engine, options)
        self.class_names = ()  # Ultralytics names one, as every file of theirs has names

    def postprocess(
        self,
        outputs: Sequence[NDArray[Any]],
        transform: ImageTransform,
        options: None = None,
    ) -> DepthMap:
        """The depth of each pixel of the image."""
        return depth_of_image(outputs[self.layout.index], self.layout, transform)

    def _default_options(self) -> None:
        return None

    def _assume(self) -> dict[str, str]:
        values = {} if self.info.depth_values else {'depth_values': self.layout.values}
        if self.info.stride:  # as in `YoloModel`
            return values
        return values | super()._assume()


TASK = DepthModel.task


def _topic(model: DepthModel) -> str:
    """Only what is in metres may be called depth: REP 118."""
    return 'depth' if model.layout.values == 'metric' else 'depth/relative'


def _range(result: DepthMap) -> tuple[float | None, float | None, float | None]:
    """The least value, the median and the largest; None where there is none."""
    values = result.values[np.isfinite(result.values)] if result.is_metric else result.values
    if not values.size:
        return None, None, None
    return (
        round(float(values.min()), 5),
        round(float(np.median(values)), 5),
        round(float(values.max()), 5),
    )
