#!/usr/bin/env python3
"""Semantic segmentation of an image topic.

In:  `image` (sensor_msgs/Image), or `image/compressed` with `image_transport: compressed`; or
those of several cameras, `image_topics`, each with its outputs in the namespace of its topic; or
what it reads itself, `source` or `sources`.
Out: `mask` (mono8, class id per pixel), `summary` (pixels and share of each class), `label_info`
(latched), `stats`, and, while somebody subscribes, `confidence` (mono8, 255 for certain),
`mask/color`, `annotated` and `annotated/compressed`. Every output has its image's header.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Any

from std_msgs.msg import Header
from vision_msgs.msg import LabelInfo

from jetson_perception.drawing import color_mask, draw_frame_rate
from jetson_perception.models.segmentation import SegmentationParams
from jetson_perception.palette import color, palette
from jetson_perception.pipeline import Batching, Frame, Lane, PictureKind, make_lane
from jetson_perception.ros import qos
from jetson_perception.ros.batch_parameters import BatchParams
from jetson_perception.ros.engine_services import EngineServices
from jetson_perception.ros.model_parameters import ModelParams
from jetson_perception.ros.model_reload import Renewal, require_same_kind
from jetson_perception.ros.pace_parameters import PaceParams
from jetson_perception.ros.parameters import param
from jetson_perception.ros.perception_node import PerceptionNode
from jetson_perception.ros.picture_publisher import PicturePublisher
from jetson_perception.ros.result_messages import label_info_message
from jetson_perception.ros.result_publishers import ResultPublishers
from jetson_perception.ros.run import run_node
from jetson_perception.ros.task_models import models_of, open_node_model
from jetson_perception.tasks.segmentation import PictureOptions, SegmentationOptions

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from jetson_perception.models import Model, SegmentationModel
    from jetson_perception.ros.annotation import AnnotatedPublisher
    from jetson_perception.ros.node_camera import NodeCamera
    from jetson_perception.tasks.results import Segmentation

NODE = 'seg_node'
LANE = 'segmentation'
# A network that ends in an argmax may give any id, whatever its names say.
_CLASS_IDS = 256


@dataclass(frozen=True)
class SegParams(SegmentationParams, BatchParams, PaceParams, ModelParams):
    """Parameters of seg_node."""

    draw_frame_rate: bool = param(True, 'Write the results a second into annotated.')


class _Outputs:
    """What is published of one camera's images, and of which model."""

    def __init__(
        self,
        node: SegNode,
        model: SegmentationModel,
        prefix: str,
        before: _Outputs | None = None,
    ) -> None:
        self._node = node
        self.model = model
        topics = model.task.topics(model)
        if before is None:
            self.topics = ResultPublishers(node, topics, prefix)
            self.color = PicturePublisher(node, f'{prefix}mask/color')
            self._labels = node.create_publisher(LabelInfo, f'{prefix}label_info', qos.LATCHED)
        else:
            self.topics = before.topics.renewed(topics)
            self.color, self._labels = before.color, before._labels

    def announce(self) -> None:
        """Say which classes there are."""
        now = Header(stamp=self._node.get_clock().now().to_msg())
        self._labels.publish(label_info_message(self.model.class_names, 0.0, now))

    def destroy(self) -> None:
        """Take the topics down."""
        self.topics.destroy()
        self.color.destroy()
        self._node.destroy_publisher(self._labels)


class SegNode(PerceptionNode):
    """Image in; class id per pixel and the area of each class out, for every frame taken."""

    def __init__(self, **options: Any) -> None:
        self._model: SegmentationModel | None = None
        self._outputs: list[_Outputs] = []
        super().__init__(NODE, SegParams, **options)
        self._of_engine = EngineServices(self, self.own)

    def openers(self) -> dict[str, Callable[..., Model[Any, Any]]]:
        """What opens the one model."""
        params: SegParams = self.own.value
        params.require_model('model', partial(models_of, NODE))
        return {'': partial(open_node_model, NODE, params, cameras=len(self.prefixes))}

    def adopt(self, models: dict[str, SegmentationModel]) -> None:
        """Announce the model's classes."""
        self._model = models['']
        self._colors = palette(_CLASS_IDS)
        self._palette = tuple(color(index) for index in range(_CLASS_IDS))
        outputs = [_Outputs(self, self._model, prefix) for prefix in self.prefixes]
        self._serve(self._model, outputs)

    def _serve(self, model: SegmentationModel, outputs: list[_Outputs]) -> None:
        """Publish the results of a model from now on."""
        self._model, self._outputs = model, outputs
        for each in outputs:
            each.announce()

    def models_in_use(self) -> dict[str, SegmentationModel]:
        """The one model, once it is open."""
        return {} if self._model is None else {'': self._model}

    def renewal(self, name: str, model: SegmentationModel) -> Renewal:
        """Another model, in the topics that there are."""
        before = self._model
        assert before is not None, 'configure comes before'
        require_same_kind(before, model)
        pairs = zip(self.prefixes, self._outputs, strict=True)
        outputs = [_Outputs(self, model, prefix, each) for prefix, each in pairs]
        lane = partial(self._make_lane, model, outputs)
        return Renewal(before, lane, partial(self._serve, model, outputs))

    def cleanup(self) -> None:
        """Close the model and take the topics down."""
        super().cleanup()
        if self._model is None:
            return
        self.left_behind.close_when_free('the engine', self._model.close)
        self._model = None
        for outputs in self._outputs:
            outputs.destroy()
        self._outputs = []

    def make_lanes(self) -> list[Lane]:
        """The one lane of the one model."""
        assert self._model is not None, 'configure comes before activate'
        return [self._make_lane(self._model, self._outputs)]

    def _make_lane(self, model: SegmentationModel, outputs: list[_Outputs]) -> Lane:
        def options() -> SegmentationOptions:
            # What is refined later cannot be in pictures that the GPU makes with the mask.
            return self._options(model, on_gpu=lane.refine is None)

        publish = partial(self._publish, outputs)
        lane = make_lane(LANE, model, publish, options, self.on_frame_error)
        lane.batching = Batching(model.batch, lambda: self.own.value)
        return lane

    def how_often(self, lane: Lane) -> PaceParams:
        """How many of the frames the engine is to take now."""
        params: PaceParams = self.own.value
        return params

    def stats_topic(self, lane: Lane) -> str:
        """Where the lane's stats go."""
        return 'stats'

    def _options(self, model: SegmentationModel, *, on_gpu: bool) -> SegmentationOptions:
        params: SegParams = self.own.value
        options = model.task.options(model, params)
        if any(outputs.topics.is_demanded('confidence') for outputs in self._outputs):
            options = replace(options, confidence=True)
        if not on_gpu or model.device_path is None:
            return options
        return replace(options, pictures=self._pictures_wanted(params.blend))

    def _pictures_wanted(self, blend: float) -> PictureOptions:
        """What a model on a GPU is to draw, for those who subscribe now."""
        return PictureOptions(
            colored=any(outputs.color.wanted() for outputs in self._outputs),
            tinted=self.annotated_wanted(),
            colors=self._palette,
            blend=blend,
        )

    def _publish(self, outputs: list[_Outputs], frame: Frame, result: Segmentation) -> None:
        of_camera = outputs[frame.input_index]
        frame.models[LANE] = of_camera.model
        of_camera.topics.publish(result, frame.header)

    def picture_kinds(self, camera: NodeCamera) -> list[PictureKind]:
        """The coloured mask."""
        return [PictureKind('mask/color', self._choose_color, self.draw_color)]

    def _choose_color(self, frame: Frame) -> Frame | None:
        is_there = frame.results.get(LANE) is not None
        return frame if is_there and self._outputs[frame.input_index].color.wanted() else None

    def draw_color(self, frame: Frame) -> None:
        """Publish the coloured mask; runs in a thread of its own."""
        result: Segmentation = frame.results[LANE]
        colors = result.colored
        if colors is None:
            colors = color_mask(result.mask, self._colors)
        self._outputs[frame.input_index].color.send(colors, frame.header)

    def draw(self, frame: Frame, publisher: AnnotatedPublisher) -> None:
        """Publish the annotated image."""
        result: Segmentation | None = frame.results.get(LANE)
        if result is None:
            return
        model: SegmentationModel = frame.models[LANE]
        tinted = model.task.canvas(result)
        picture = frame.bgr() if tinted is None else tinted
        publisher.publish(picture, frame.header, partial(self._draw_on, frame, model))

    def _draw_on(self, frame: Frame, model: SegmentationModel, canvas: Any) -> None:
        params: SegParams = self.own.value
        model.task.draw(canvas, model, frame.results[LANE], params)
        if params.draw_frame_rate:
            draw_frame_rate(canvas, self.frame_rates(frame).get(LANE, 0.0))


def main(args: Sequence[str] | None = None) -> None:
    """Run the node."""
    run_node(SegNode, args)


if __name__ == '__main__':
    main()
