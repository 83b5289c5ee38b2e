"""Semantic segmentation: an image in, a class per pixel out."""

from __future__ import annotations

import logging
import math
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from jetson_perception.drawing import draw_legend, draw_segmentation
from jetson_perception.model_info import ModelInfo
from jetson_perception.models.base import Model
from jetson_perception.models.describing import counted, listed, told_by
from jetson_perception.models.task import ResultTopic, Task
from jetson_perception.palette import color, palette
from jetson_perception.parameter_fields import param
from jetson_perception.tasks.activations import is_softmaxed
from jetson_perception.tasks.results import Segmentation
from jetson_perception.tasks.segmentation import (
    PictureOptions,
    SegmentationLayout,
    SegmentationOptions,
    channel_count,
    recognize_segmentation_layout,
    segment,
)
from jetson_perception.tasks.unlike_outputs import refuse_unlike_outputs

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from numpy.typing import NDArray

    from jetson_perception.drawing import Overlay
    from jetson_perception.engines.base import CudaEngine, Engine
    from jetson_perception.evaluation.agreement import MaskAgreement
    from jetson_perception.evaluation.datasets import Dataset
    from jetson_perception.evaluation.evaluators import PixelEvaluator
    from jetson_perception.models.cuda_segmentation import CudaSegmentation
    from jetson_perception.tasks.network_outputs import NetworkOutputs
    from jetson_perception.tasks.preprocess import ImageTransform

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class SegmentationParams:
    """Settings of a semantic segmentation model besides the model."""

    output: str = param(
        'auto',
        'What the output holds; auto: what the model says, else inferred from shape, type and '
        'whether the scores of a place sum to 1.',
        choices=('auto', 'logits', 'probabilities', 'class_ids'),
        at_configure=True,
    )
    mask_size: str = param(
        'image',
        "Size of the mask: that of the image, or of the network's output.",
        choices=('image', 'network'),
    )
    interpolation: str = param(
        'probabilities',
        'What is enlarged to the size of the image before the best class is chosen; logits is '
        'faster, and differs along edges.',
        choices=('probabilities', 'logits'),
    )
    blend: float = param(
        0.6,
        'Share of the image that remains visible under a class color in annotated.',
        between=(0.0, 1.0),
    )


class SemanticSegmentation(Task):
    """A class per pixel."""

    nouns: ClassVar = {'semantic': 'a semantic segmentation model'}
    model_name = 'SegmentationModel'
    node = 'seg_node'
    title = 'semantic segmentation'
    kernels = ('preprocess', 'segmentation', 'tint')
    params = SegmentationParams

    def takes(self, outputs: NetworkOutputs, info: ModelInfo) -> bool:
        """Take whatever no other task takes, so that an error says what is expected."""
        return True

    def recognize(self, outputs: NetworkOutputs, info: ModelInfo) -> SegmentationLayout:
        """The layout of the first output.

        Raises
        ------
        ParameterError
            When another output may hold the classes as well.
        """
        layout = recognize_segmentation_layout(
            outputs.shapes[0], outputs.dtype, info, outputs.network_wh
        )
        if layout.output == 'class_ids':  # scores beside them are what they were made of
            return layout
        first = outputs.shapes[0]
        places = math.prod(first) // max(channel_count(first, outputs.network_wh), 1)

        def class_count(shape: tuple[int, ...]) -> int:
            # What has fewer places than the result is a feature inside the network, as of ISNet.
            count = channel_count(shape, outputs.network_wh)
            return count if math.prod(shape) >= count * places else 0

        refuse_unlike_outputs(outputs, info, 'scores of pixels', class_count)
        if info.output or layout.output != 'logits' or layout.binary:
            return layout
        if is_softmaxed(outputs.arrays[0], axis=-1 if layout.channels_last else -3):
            return replace(layout, output='probabilities')
        return layout

    def default_resize(self, network_wh: tuple[int, int]) -> str:
        """How these models are usually trained."""
        return 'stretch'

    def usual_preprocessing(self, layout: SegmentationLayout, info: ModelInfo) -> ModelInfo:
        """As YOLO is trained, whose exporter alone writes a stride: YOLO26-sem."""
        return ModelInfo(resize='letterbox') if info.stride else ModelInfo()

    def make(self, engine: Engine) -> SegmentationModel:
        """The model of an engine."""
        return SegmentationModel(engine)

    def overrides(self, params: SegmentationParams) -> dict[str, Any]:
        """What the output holds."""
        return {'output': params.output}

    def options(self, model: SegmentationModel, params: SegmentationParams) -> SegmentationOptions:
        """Size of the mask, and what is interpolated."""
        return SegmentationOptions(params.mask_size, params.interpolation)

    def options_to_draw(
        self, model: SegmentationModel, options: SegmentationOptions | None
    ) -> SegmentationOptions:
        """The options with the tinted image, which a GPU makes."""
        colors = tuple(color(index) for index in range(model.layout.class_count))
        pictures = PictureOptions(tinted=True, colors=colors)
        return replace(options or model.options, pictures=pictures)

    def canvas(self, result: Segmentation) -> NDArray[np.uint8] | None:
        """The tinted image, where a GPU made it."""
        return result.tinted

    def draw(
        self,
        canvas: NDArray[np.uint8],
        model: SegmentationModel,
        result: Segmentation,
        params: SegmentationParams | None = None,
        overlay: Overlay | None = None,
    ) -> None:
        """Tint the image unless the GPU did, and add the legend."""
        colors = _colors(len(result.pixels))
        if result.tinted is None:
            blend = SegmentationParams.blend if params is None else params.blend
            draw_segmentation(canvas, result, colors, blend)
        draw_legend(canvas, result, colors, model.class_names, overlay)

    def record(self, model: SegmentationModel, result: Segmentation) -> dict[str, Any]:
        """The area of each class."""
        areas = enumerate(zip(result.pixels, result.ratio, strict=True))
        return {
            'classes': [
                {
                    'class_id': class_id,
                    'class_name': model.class_name(class_id),
                    'pixels': int(pixels),
                    'ratio': float(ratio),
                }
                for class_id, (pixels, ratio) in areas
            ]
        }

    def found(self, model: SegmentationModel, result: Segmentation) -> str:
        """The share of each class that is there, the largest first."""
        largest_first = np.argsort(-result.ratio, kind='stable').tolist()
        return ', '.join(
            f'{model.class_name(class_id)} {result.ratio[class_id]:.2%}'
            for class_id in largest_first
            if result.pixels[class_id]
        )

    def mask(self, result: Segmentation) -> NDArray[np.uint8]:
        """A class id for each pixel."""
        return result.mask

    def topics(self, model: SegmentationModel) -> list[ResultTopic]:
        """The mask, the area of each class, and how likely the mask is, if scores tell."""
        from sensor_msgs.msg import Image

        from jetson_perception.msg import SegmentationSummary
        from jetson_perception.ros.image_messages import ImageMessage
        from jetson_perception.ros.result_messages import summary_message

        mask, likely, names = ImageMessage(), ImageMessage(), model.class_names

        def confidence(result: Segmentation, header: Any) -> Any:
            values = result.confidence
            return None if values is None else likely.fill(values, 'mono8', header)

        topics = [
            ResultTopic(
                'mask',
                Image,
                lambda result, header: mask.fill(result.mask, 'mono8', header),
            ),
            ResultTopic(
                'summary',
                SegmentationSummary,
                lambda result, header: summary_message(result, names, header),
            ),
        ]
        if model.layout.output != 'class_ids':
            topics.append(ResultTopic('confidence', Image, confidence, on_demand=True))
        return topics

    def describe(self, model: SegmentationModel) -> Iterator[tuple[str, str]]:
        """Task, layout and classes."""
        layout = model.layout
        yield 'task', self.title
        yield 'layout', f'{layout.output}, {counted(layout.class_count, "class", "es")}'
        otherwise = 'scores or class ids of pixels, which no other task takes'
        yield 'told by', told_by(model.info, otherwise, 'output')
        yield 'classes', listed(model.class_names) or 'not named'

    def evaluator(
        self,
        model: SegmentationModel,
        dataset: Dataset,
        options: Any,
        ignored_id: int | None,
    ) -> PixelEvaluator:
        """The IoU of each class."""
        from jetson_perception.evaluation.datasets import PixelDataset
        from jetson_perception.evaluation.evaluators import PixelEvaluator

        if isinstance(dataset, PixelDataset):
            return PixelEvaluator(model, dataset, ignored_id)
        raise self.wrong_dataset(model, dataset, 'a folder with images/ and masks/')

    def agreement(
        self, one: SegmentationModel, other: SegmentationModel, options: Any, match_iou: float
    ) -> MaskAgreement:
        """Pixels of the same class."""
        from jetson_perception.evaluation.agreement import MaskAgreement

        return MaskAgreement(one, other)

    def usual_postprocess(self, model: SegmentationModel) -> Callable[..., Any]:
        """The best class, enlarged to the image."""
        from jetson_perception.benchmark.baseline import postprocess_segmentation

        return lambda outputs, scale, bgr: postprocess_segmentation(outputs[0], bgr.shape[:2])


class SegmentationModel(Model[Segmentation, SegmentationOptions]):
    """A semantic segmentation model: an image in, a class per pixel out. Use `open` to create one.

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
        if self.info.stride:  # as in `YoloModel`
            return {}
        # Class ids show by their type and probabilities by their sum; for a single channel,
        # `output` is required.
        assumed = not self.info.output and self.layout.output == 'logits'
        output = {'output': self.layout.output} if assumed else {}
        return output | super()._assume()

    def cuda_path(self, engine: CudaEngine) -> CudaSegmentation:
        """See `Model.cuda_path`."""
        from jetson_perception.models.cuda_segmentation import CudaSegmentation

        return CudaSegmentation(engine, self.preprocessor, self.layout, self.options)


TASK = SegmentationModel.task


@lru_cache(maxsize=8)
def _colors(count: int) -> NDArray[np.uint8]:
    return palette(count)
