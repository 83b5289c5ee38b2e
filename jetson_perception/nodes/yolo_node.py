#!/usr/bin/env python3
"""Detection, poses and instance masks of an image topic, by any number of YOLO engines.

In:  `image` (sensor_msgs/Image), or `image/compressed` with `image_transport: compressed`.
Out, for each engine that the parameter `engines` names: `<engine>/detections`
(vision_msgs/Detection2DArray), `<engine>/keypoints` of a pose model, `<engine>/instances` (an
image of ids) of a segmentation model, `<engine>/label_info` (latched), `<engine>/stats`; and,
while somebody subscribes, `annotated` and `annotated/compressed` with the results of all. Every
output has its image's header.
"""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from sensor_msgs.msg import Image
from std_msgs.msg import Header
from vision_msgs.msg import Detection2DArray, LabelInfo

from jetson_perception.drawing import draw_detections, draw_frame_rate
from jetson_perception.errors import ParameterError, PerceptionError
from jetson_perception.models import YoloModel
from jetson_perception.msg import KeypointDetection2DArray
from jetson_perception.pipeline import Frame, Lane, make_lane
from jetson_perception.printable import quoted
from jetson_perception.ros import qos
from jetson_perception.ros.model_parameters import ModelParams
from jetson_perception.ros.parameters import Parameters, param
from jetson_perception.ros.perception_node import PerceptionNode
from jetson_perception.ros.result_messages import InstanceMessage, label_info_message
from jetson_perception.ros.run import run_node
from jetson_perception.ros.serialized_results import DetectionBytes, KeypointBytes
from jetson_perception.tasks.yolo import DetectionOptions

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from jetson_perception.ros.annotation import AnnotatedPublisher
    from jetson_perception.tasks.results import Detections

# Each declares some twenty parameters, which stay; a robot has a handful of engines.
_MOST_ENGINES = 32
_MOST_NAME_CHARACTERS = 64


@dataclass(frozen=True)
class YoloParams:
    """Parameters of yolo_node itself; each engine has its own under its name."""

    engines: tuple[str, ...] = param(
        (),
        'Names of the engines, which begin their topics and parameters; one named det by default.',
        at_configure=True,
        example='[det, pose]',
    )
    draw_frame_rate: bool = param(True, 'Write the frame rate into annotated.')

    def engine_names(self) -> tuple[str, ...]:
        """Names of the engines, the default one included."""
        return self.engines or ('det',)

    def problem(self) -> str:
        """What is wrong between the fields; empty when nothing is."""
        if len(self.engines) > _MOST_ENGINES:
            return f'engines has {len(self.engines)} names; at most {_MOST_ENGINES} are taken'
        for name in self.engines:
            if len(name) > _MOST_NAME_CHARACTERS:
                return (
                    f'engines has the name {quoted(name, 40)}; it may have at most '
                    f'{_MOST_NAME_CHARACTERS} characters'
                )
            if not (name.isidentifier() and name.isascii()):
                return (
                    f'engines has the name {quoted(name)}; a name becomes part of topics: ASCII '
                    'letters, digits and underscores only, and no digit first'
                )
        if len(set(self.engines)) < len(self.engines):
            return f'engines is {list(self.engines)}; each name may stand there once'
        return ''


@dataclass(frozen=True)
class EngineParams(ModelParams):
    """Parameters of one engine of yolo_node, under the engine's name."""

    task: str = param(
        'auto',
        'What the model does; auto: as the model says.',
        choices=('auto', 'detect', 'pose', 'segment'),
        at_configure=True,
    )
    layout: str = param(
        'auto',
        'Output layout: objectness (YOLOv5, v7), anchor_free (v8, 11, 12), end_to_end (v10, 26); '
        'auto: as the shapes tell.',
        choices=('auto', 'objectness', 'anchor_free', 'end_to_end'),
        at_configure=True,
    )
    keypoint_shape: tuple[int, ...] = param(
        (),
        'Keypoints an object and values a keypoint (2 or 3), for a pose model that does not say.',
        at_configure=True,
        example='[17, 3]',
    )
    keypoint_names: tuple[str, ...] = param(
        (),
        'Name of each keypoint; COCO names for 17 by default.',
        at_configure=True,
        example='[nose, left_eye, right_eye]',
    )
    score_threshold: float = param(0.25, 'Drop objects that score less.', between=(0.0, 1.0))
    classes: tuple[str, ...] = param(
        (),
        "Publish only objects of these classes, by name; all by default, and with [''].",
        example='[person, dog]',
    )
    class_score_thresholds: tuple[str, ...] = param(
        (),
        'Classes with a threshold other than score_threshold, each as "name: threshold"; none by '
        "default, and with [''].",
        example='["person: 0.5", "traffic light: 0.3"]',
    )
    iou_threshold: float = param(
        0.7, 'Of boxes that overlap more than this, the best stays.', between=(0.0, 1.0)
    )
    max_detections: int = param(300, 'Most objects a frame.', between=(1, 10000))
    class_agnostic: bool = param(False, 'Let boxes of different classes suppress each other.')
    keypoint_score_threshold: float = param(
        0.5, 'Draw keypoints that score at least this; all are published.', between=(0.0, 1.0)
    )

    def problem(self) -> str:
        """What is wrong between the fields; empty when nothing is."""
        shape = self.keypoint_shape
        if shape and (len(shape) != 2 or shape[0] < 1 or shape[1] not in (2, 3)):
            return f'keypoint_shape is {list(shape)}; expected [keypoints, 2 or 3]'
        return super().problem()


def open_yolo(name: str, params: EngineParams, **building: Any) -> YoloModel:
    """The model of an engine as its parameters say, with `progress` and `cancel` of a build."""
    params.require_model(f'{name}.model')
    shape = params.keypoint_shape
    return YoloModel.open(
        params.model,
        runtime=params.runtime,
        threads=params.threads,
        precision=params.precision,
        device=params.device,
        overrides=params.overrides(
            task=params.task,
            layout=params.layout,
            keypoint_shape=(shape[0], shape[1]) if shape else None,
            keypoint_names=params.keypoint_names,
        ),
        **building,
    )


@contextmanager
def _errors_of(name: str) -> Iterator[None]:
    """Say of every error which engine it concerns, and name the parameter as the user has it."""
    try:
        yield
    except ParameterError as error:
        text, parameter = f'engine {name}: {error}', error.parameter
        if parameter and not parameter.startswith(f'{name}.'):
            parameter = f'{name}.{parameter}'
            text += f'; the parameter is {parameter}'
        raise ParameterError(text, parameter) from error
    except PerceptionError as error:
        raise type(error)(f'engine {name}: {error}') from error


class _Engine:
    """One engine: its parameters, model, publishers and newest result."""

    def __init__(
        self, node: YoloNode, name: str, params: Parameters[EngineParams], model: YoloModel
    ) -> None:
        self.name = name
        self.params = params
        self.model = model
        value = params.value
        try:
            self._options = self._make_options(value)
        except ParameterError:
            self.model.close()
            raise
        self._options_of = value
        self._node = node
        names = self.model.class_names
        self._detection_writer = DetectionBytes(names)
        self._detections = node.create_publisher(
            Detection2DArray, f'{name}/detections', qos.RESULTS
        )
        self._labels = node.create_publisher(LabelInfo, f'{name}/label_info', qos.LATCHED)
        self._keypoints = None
        if self.model.keypoint_names:
            self._keypoint_writer = KeypointBytes(names, self.model.keypoint_names)
            self._keypoints = node.create_publisher(
                KeypointDetection2DArray, f'{name}/keypoints', qos.RESULTS
            )
        self._instances = None
        if self.model.layout.coefficient_count:
            self._instance_message = InstanceMessage()
            self._instances = node.create_publisher(
                Image,
                f'{name}/instances',
                qos.RESULTS,
                qos_overriding_options=qos.overridable(),
            )
        self._announce()
        self.newest: Detections | None = None
        params.check = self._problem

    def options(self) -> DetectionOptions:
        """What counts as a detection from the next frame on."""
        value = self.params.value
        if value is not self._options_of:
            before, self._options_of = self._options_of, value
            self._options = self._make_options(value)
            if value.score_threshold != before.score_threshold:
                self._announce()
        return self._options

    def _announce(self) -> None:
        now = Header(stamp=self._node.get_clock().now().to_msg())
        threshold = self.params.value.score_threshold
        self._labels.publish(label_info_message(self.model.class_names, threshold, now))

    def _make_options(self, value: EngineParams) -> DetectionOptions:
        return DetectionOptions(
            value.score_threshold,
            value.iou_threshold,
            value.max_detections,
            value.class_agnostic,
            self.model.class_ids(value.classes),
            self.model.class_score_thresholds(value.class_score_thresholds),
        )

    def _problem(self, value: EngineParams) -> str:
        try:
            self._make_options(value)
        except ParameterError as error:
            return f'{self.name}.{error}'
        return ''

    def publish(self, frame: Frame, result: Detections) -> None:
        self.newest = result
        self._detections.publish(self._detection_writer.fill(result, frame.header))
        if self._keypoints is not None:
            self._keypoints.publish(self._keypoint_writer.fill(result, frame.header))
        if self._instances is not None:
            self._instances.publish(self._instance_message.fill(result, frame.header))

    def draw(self, canvas: Any, frame: Frame) -> None:
        """Draw the engine's result for this frame, or its newest if it is slower than others."""
        result = frame.results.get(self.name, self.newest)
        if result is None:
            return
        draw_detections(
            canvas,
            result,
            self.model.class_names,
            skeleton=self.model.skeleton,
            keypoint_score_threshold=self.params.value.keypoint_score_threshold,
        )

    def close(self) -> None:
        self.params.check = None
        self._node.close_when_free(f'engine {self.name}', self.model.close)
        for publisher in (self._detections, self._keypoints, self._instances, self._labels):
            if publisher is not None:
                self._node.destroy_publisher(publisher)


class YoloNode(PerceptionNode):
    """Image in; what each engine found in it out, as soon as that engine is done."""

    def __init__(self, **options: Any) -> None:
        self._engines: list[_Engine] = []
        self._engine_params: dict[str, Parameters[EngineParams]] = {}
        self._drawn = 0
        super().__init__('yolo_node', YoloParams, **options)
        self._declare_engines()

    def openers(self) -> dict[str, Callable[..., YoloModel]]:
        """What opens the model of each engine."""
        self._declare_engines()
        return {name: partial(self._open, name) for name in self.own.value.engine_names()}

    def adopt(self, models: dict[str, YoloModel]) -> None:
        """Announce the classes of every engine."""
        waiting = dict(models)
        try:
            for name in models:
                with _errors_of(name):
                    params = self._engine_params[name]
                    self._engines.append(_Engine(self, name, params, waiting.pop(name)))
        finally:
            for model in waiting.values():
                model.close()

    def _open(self, name: str, **building: Any) -> YoloModel:
        with _errors_of(name):
            return open_yolo(name, self._engine_params[name].value, **building)

    def cleanup(self) -> None:
        """Close the engines."""
        super().cleanup()
        while self._engines:
            self._engines.pop().close()

    def make_lanes(self) -> list[Lane]:
        """A lane an engine."""
        self._drawn = 0
        return [
            make_lane(
                engine.name, engine.model, engine.publish, engine.options, self.on_frame_error
            )
            for engine in self._engines
        ]

    def stats_topic(self, lane: Lane) -> str:
        """Where a lane's stats go."""
        return f'{lane.name}/stats'

    def draw(self, frame: Frame, publisher: AnnotatedPublisher) -> None:
        """Publish the annotated image with the results of every engine."""
        if frame.index <= self._drawn:
            return
        self._drawn = frame.index
        publisher.publish(frame.bgr(), frame.header, partial(self._draw_on, frame))

    def _draw_on(self, frame: Frame, canvas: Any) -> None:
        for engine in self._engines:
            engine.draw(canvas, frame)
        if self.own.value.draw_frame_rate:
            draw_frame_rate(canvas, self.frame_rate())

    def _declare_engines(self) -> None:
        for name in self.own.value.engine_names():
            if name not in self._engine_params:
                self._engine_params[name] = self.declare(EngineParams, name)


def main(args: Sequence[str] | None = None) -> None:
    """Run the node."""
    run_node(YoloNode, args)


if __name__ == '__main__':
    main()
