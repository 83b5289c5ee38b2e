#!/usr/bin/env python3
"""Objects, poses, masks, classes and depth of an image topic, by any number of engines.

In:  `image` (sensor_msgs/Image), or `image/compressed` with `image_transport: compressed`; or
those of several cameras, `image_topics`, each with its outputs in the namespace of its topic; or
what it reads itself, `source` or `sources`.
Out, for each engine that the parameter `engines` names: `<engine>/detections`
(vision_msgs/Detection2DArray), `<engine>/keypoints` of a pose model, `<engine>/instances` (an
image of ids) of a segmentation model, `<engine>/classification` (vision_msgs/Classification) of a
classifier in place of these, `<engine>/depth` or `<engine>/depth/relative` (32FC1) of a depth
model, `<engine>/label_info` (latched), `<engine>/stats`; while somebody subscribes, depth in
colors (`color` behind its topic), `<engine>/annotations` (foxglove_msgs/ImageAnnotations, where
these messages are installed), `<engine>/detections_3d` (vision_msgs/Detection3DArray) and
`<engine>/keypoints_3d`, where `depth.image_topics` names depth images, and `annotated` and
`annotated/compressed` with the results of all. Every output has its image's header. An engine with
`crop_of` looks at the boxes of another one; a classifier then has `<engine>/detections` too.
"""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass, make_dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from std_msgs.msg import Header
from vision_msgs.msg import LabelInfo

from jetson_perception.drawing import Overlay
from jetson_perception.errors import ParameterError, PerceptionError
from jetson_perception.models.crop_params import CropParams, require_known_engine
from jetson_perception.models.on_crops import require_on_crops
from jetson_perception.pipeline import Batching, Frame, Lane, PictureKind, make_lane
from jetson_perception.printable import quoted
from jetson_perception.ros import qos
from jetson_perception.ros.batch_parameters import BatchParams
from jetson_perception.ros.crop_engine import CropEngine
from jetson_perception.ros.engine_services import EngineServices
from jetson_perception.ros.image_annotations import EngineAnnotations
from jetson_perception.ros.model_parameters import ModelParams
from jetson_perception.ros.model_reload import Renewal, require_same_kind
from jetson_perception.ros.node_depth import NodeDepth, SpatialPublishers
from jetson_perception.ros.pace_parameters import PaceParams
from jetson_perception.ros.parameters import Parameters, param
from jetson_perception.ros.perception_node import PerceptionNode
from jetson_perception.ros.picture_publisher import ResultPictures
from jetson_perception.ros.result_messages import label_info_message
from jetson_perception.ros.result_publishers import ResultPublishers
from jetson_perception.ros.run import run_node
from jetson_perception.ros.task_models import models_of, open_node_model, tasks_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from diagnostic_msgs.msg import DiagnosticStatus

    from jetson_perception.models import Model
    from jetson_perception.models.task import Task
    from jetson_perception.ros.annotation import AnnotatedPublisher
    from jetson_perception.ros.node_camera import NodeCamera

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
    draw_frame_rate: bool = param(
        True, 'Write the results a second of each engine into annotated.'
    )

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


NODE = 'yolo_node'
TASKS = tasks_of(NODE)
"""What the engines of this node may do."""


@dataclass(frozen=True)
class _AnyEngineParams(CropParams, BatchParams, PaceParams, ModelParams):
    """Parameters of an engine whatever its task."""

    task: str = param(
        'auto',
        'What the model does; auto: as the model says.',
        choices=('auto', *(word for task in TASKS for word in task.words)),
        at_configure=True,
    )


# A model is known only when it is open, so an engine has the parameters of every task.
EngineParams: Any = make_dataclass(
    'EngineParams',
    (),
    bases=(*(task.params for task in reversed(TASKS)), _AnyEngineParams),
    namespace={
        '__doc__': 'Parameters of one engine of yolo_node, under the name of the engine.',
        '__module__': __name__,
    },
    frozen=True,
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


def _tracked(track: Callable[..., Any], frame: Frame, result: Any) -> Any:
    """A frame's result with ids, by the time and the size of its image."""
    return track(result, frame.stamp_ns or frame.received_ns, frame.size_wh())


class _Engine:
    """One engine: its parameters, model, publishers and newest result."""

    def __init__(
        self,
        node: YoloNode,
        name: str,
        params: Parameters[Any],
        model: Model[Any, Any],
        before: _Engine | None = None,
    ) -> None:
        self.name = name
        self.params = params
        self.model = model
        if before is not None:
            require_same_kind(before.model, model)
        value = params.value
        self._crops: CropEngine | None = None
        try:
            if value.crop_of:
                parent = partial(node.task_and_model, value.crop_of)
                self._crops = CropEngine(model, parent, lambda: params.value)
            self.task: Task = self._crops.task if self._crops else model.task
            self._options = self.task.options(model, value)
        except ParameterError:
            self.model.close()
            raise
        self._options_of = value
        self._node = node
        self._labels: list[Any] = []
        self._spatial: list[SpatialPublishers] = []
        names = [f'{prefix}{name}/' for prefix in node.prefixes]
        try:
            if before is None:
                self._make_topics(names)
            else:
                self._take_topics(before)
            if model.class_names and not self._labels:
                self._labels = [
                    node.create_publisher(LabelInfo, f'{each}label_info', qos.LATCHED)
                    for each in names
                ]
        except Exception:
            self.retire()  # else depth images would be taken for nobody
            raise

    def _make_topics(self, names: list[str]) -> None:
        node, model, task = self._node, self.model, self.task
        self._topics = [ResultPublishers(node, task.topics(model), each) for each in names]
        self._spatial = node.depth.publishers(lambda: task.spatial_topics(model), names)
        self._annotations = EngineAnnotations(node, task, model, names)
        pictures = task.picture_topics(model)
        self.pictures = [ResultPictures(node, self.name, pictures, each) for each in names]

    def _take_topics(self, before: _Engine) -> None:
        model, task = self.model, self.task
        self._topics = [each.renewed(task.topics(model)) for each in before._topics]
        self._annotations = before._annotations.renewed(task, model)
        self.pictures, self._labels = before.pictures, before._labels
        for each in before._spatial:
            self._spatial.append(each.renewed(task.spatial_topics(model)))

    def serve(self) -> None:
        """Announce the classes, and judge parameters from now on."""
        self._announce()
        self.params.check = self._problem

    def options(self) -> Any:
        """What is found from the next frame on."""
        value = self.params.value
        if value is not self._options_of:
            before, self._options_of = self._options_of, value
            self._options = self.task.options(self.model, value)
            if value.score_threshold != before.score_threshold:
                self._announce()
        return self._options

    def _announce(self) -> None:
        now = Header(stamp=self._node.get_clock().now().to_msg())
        threshold = self.params.value.score_threshold
        for labels in self._labels:
            labels.publish(label_info_message(self.model.class_names, threshold, now))

    def _problem(self, value: Any) -> str:
        try:
            self.task.options(self.model, value)
            if self._crops is not None:
                self._crops.options_of(value)
        except ParameterError as error:
            return f'{self.name}.{error}'
        return ''

    def require_followed(self, model: Model[Any, Any]) -> None:
        """Check that the engine whose boxes this one looks at may have a model.

        Raises
        ------
        ParameterError
            When the model lacks a class that is looked at here.
        """
        if self._crops is not None:
            self._crops.options_of(self.params.value, model)

    def make_lane(self, on_error: Callable[[PerceptionError], None]) -> Lane:
        """What runs the engine."""
        run = self.publish, self.options, on_error
        if self._crops is not None:
            lane = self._crops.make_lane(self.name, *run)
        else:
            lane = make_lane(self.name, self.model, *run)
        lane.batching = Batching(self.model.batch, lambda: self.params.value)
        return lane

    def publish(self, frame: Frame, result: Any) -> None:
        frame.models[self.name] = self.model
        self._topics[frame.input_index].publish(result, frame.header)
        self._annotations.publish(frame, result, self.params.value.keypoint_score_threshold)
        if self._spatial:
            self._spatial[frame.input_index].offer(frame, result)

    def draw(self, canvas: Any, frame: Frame, overlay: Overlay) -> None:
        """Draw the engine's result for this frame; nothing where it has none."""
        result = frame.results.get(self.name)
        if result is not None:
            overlay.engine = self.name
            model, (height, width) = frame.models[self.name], frame.bgr().shape[:2]
            task = self.task
            shown = task.scaled(result, (canvas.shape[1] / width, canvas.shape[0] / height))
            task.draw(canvas, model, shown, self.params.value, overlay)

    def retire(self) -> None:
        """Leave the topics to another one; the model is closed by whoever has it."""
        for spatial in self._spatial:
            spatial.retire()

    def close(self) -> None:
        self.params.check = None
        self._node.left_behind.close_when_free(f'engine {self.name}', self.model.close)
        for spatial in self._spatial:
            spatial.destroy()
        for topics in self._topics:
            topics.destroy()
        self._annotations.destroy()
        for pictures in self.pictures:
            pictures.destroy()
        for labels in self._labels:
            self._node.destroy_publisher(labels)


class YoloNode(PerceptionNode):
    """Image in; what each engine found in it out, as soon as that engine is done."""

    blocks_listed_in = 'engines'

    def __init__(self, **options: Any) -> None:
        self._engines: list[_Engine] = []
        self._engine_params: dict[str, Parameters[Any]] = {}
        self._of_engines: dict[str, EngineServices] = {}
        self._adopting: dict[str, Model[Any, Any]] = {}
        super().__init__(NODE, YoloParams, **options)
        #: Results in space, where depth images are named.
        self.depth = NodeDepth(self)
        self.declare_dependent()

    def configure(self) -> None:
        """Find the depth topics, then do as all perception nodes."""
        self.depth.configure(self.node_input)
        super().configure()

    def activate(self) -> None:
        """Begin to locate results, then to make them."""
        self.depth.start()
        super().activate()

    def deactivate(self) -> None:
        """Locate no more results."""
        self.depth.stop()
        super().deactivate()

    def diagnose(self) -> list[DiagnosticStatus]:
        """Say how results in space are, too."""
        return [*super().diagnose(), *self.depth.diagnose()]

    def hang(self) -> str:
        """What has not returned, of the threads that locate results too."""
        stuck = (each.describe() for each in self.depth.activities if each.is_stuck())
        return super().hang() or next(stuck, '')

    def openers(self) -> dict[str, Callable[..., Model[Any, Any]]]:
        """What opens the model of each engine."""
        names = self.own.value.engine_names()
        followed = {name: self._engine_params[name].value.crop_of for name in names}
        for name in names:
            with _errors_of(name):
                require_known_engine(name, followed)
        return {name: partial(self._open, name) for name in names}

    def adopt(self, models: dict[str, Model[Any, Any]]) -> None:
        """Announce the classes of every engine."""
        waiting, self._adopting = dict(models), models
        try:
            for name in models:
                with _errors_of(name):
                    params = self._engine_params[name]
                    self._engines.append(_Engine(self, name, params, waiting.pop(name)))
                    self._engines[-1].serve()
        finally:
            self._adopting = {}
            for model in waiting.values():
                model.close()

    def task_and_model(self, name: str) -> tuple[Task, Model[Any, Any]]:
        """What an engine does, and the model that it has now."""
        model = self.models_in_use().get(name) or self._adopting[name]
        is_on_crops = bool(self._engine_params[name].value.crop_of)
        return require_on_crops(model) if is_on_crops else model.task, model

    def _open(self, name: str, **building: Any) -> Model[Any, Any]:
        with _errors_of(name):
            params = self._engine_params[name].value
            params.require_model(f'{name}.model', partial(models_of, NODE))
            return open_node_model(
                NODE,
                params,
                task=params.task,
                cameras=len(self.prefixes),
                on_crops=bool(params.crop_of),
                **building,
            )

    def models_in_use(self) -> dict[str, Model[Any, Any]]:
        """The model of each engine."""
        return {engine.name: engine.model for engine in self._engines}

    def renewal(self, name: str, model: Model[Any, Any]) -> Renewal:
        """An engine with another model, in the topics that there are."""
        index = list(self.models_in_use()).index(name)
        before = self._engines[index]
        for follower in self._engines:
            if follower.params.value.crop_of == name:
                with _errors_of(follower.name):
                    follower.require_followed(model)
        with _errors_of(name):
            after = _Engine(self, name, before.params, model, before)

        def commit() -> None:
            self._engines[index] = after
            after.serve()

        lane = partial(after.make_lane, self.on_frame_error)
        return Renewal(before.model, lane, commit, before.retire, after.retire)

    def cleanup(self) -> None:
        """Close the engines."""
        super().cleanup()
        while self._engines:
            self._engines.pop().close()
        self.depth.cleanup()

    def make_lanes(self) -> list[Lane]:
        """A lane an engine."""
        return [engine.make_lane(self.on_frame_error) for engine in self._engines]

    def refiner(self, lane: Lane) -> Callable[[Frame, Any], Any] | None:
        """The tracker of an engine and camera, if the engine has one."""
        params = self._engine_params[lane.name]
        model: Any = lane.model
        track = model.task.refiner(model, lambda: params.value)
        return None if track is None else partial(_tracked, track)

    def how_often(self, lane: Lane) -> PaceParams:
        """How many of the frames an engine is to take now."""
        params: PaceParams = self._engine_params[lane.name].value
        return params

    def picture_kinds(self, camera: NodeCamera) -> list[PictureKind]:
        """What tasks have to look at, each by itself."""
        return [kind for each in self._engines for kind in each.pictures[camera.index].kinds]

    def stats_topic(self, lane: Lane) -> str:
        """Where a lane's stats go."""
        return f'{lane.name}/stats'

    def draw(self, frame: Frame, publisher: AnnotatedPublisher) -> None:
        """Publish the annotated image with the results of every engine."""
        publisher.publish(frame.bgr(), frame.header, partial(self._draw_on, frame))

    def _draw_on(self, frame: Frame, canvas: Any) -> None:
        overlay = Overlay(name_engines=len(self._engines) > 1)
        for engine in self._engines:
            engine.draw(canvas, frame, overlay)
        if self.own.value.draw_frame_rate:
            for name, hz in self.frame_rates(frame).items():
                overlay.engine = name
                overlay.add_frame_rate(hz)
        overlay.draw(canvas)

    def declare_dependent(self) -> None:
        """Declare the parameters of engines that are new in `engines`."""
        names = self.own.value.engine_names()
        for name in names:
            if name not in self._engine_params:
                self._engine_params[name] = self.declare(EngineParams, name)
            if name not in self._of_engines:
                self._of_engines[name] = EngineServices(self, self._engine_params[name], name)
        for name in self._of_engines.keys() - set(names):
            self._of_engines.pop(name).close()


def main(args: Sequence[str] | None = None) -> None:
    """Run the node."""
    run_node(YoloNode, args)


if __name__ == '__main__':
    main()
