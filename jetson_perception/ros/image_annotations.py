"""What Foxglove draws over an image: boxes, labels and keypoints, where foxglove_msgs is there.

Colors and sizes are those of `annotated`, so that the same result looks the same in both.
"""

from __future__ import annotations

from functools import cache
from itertools import chain
from typing import TYPE_CHECKING, Any

from rclpy.type_support import check_for_type_support

from jetson_perception.drawing.colors import WHITE, legible_on, vivid
from jetson_perception.drawing.results import object_colors, object_values
from jetson_perception.drawing.sizes import Sizes
from jetson_perception.drawing.text import drawn_name, text_height
from jetson_perception.models.on_crops import finds_objects, shown_objects
from jetson_perception.ros import qos
from jetson_perception.tasks.results import oriented_corners

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    import numpy as np
    from numpy.typing import NDArray
    from rclpy.node import Node

    from jetson_perception.drawing.colors import Color
    from jetson_perception.models.task import Task
    from jetson_perception.pipeline import Frame
    from jetson_perception.tasks.results import Detections

#: Left and top, right and top, right and bottom, left and bottom, of a row of `xyxy`.
_CORNERS = (0, 1, 2, 1, 2, 3, 0, 3)


class AnnotationMessage:
    """Makes foxglove_msgs/ImageAnnotations of detections.

    Parameters
    ----------
    class_names : sequence of str
        Name of class i at index i.
    skeleton : sequence of (int, int)
        Pairs of keypoint indices, from 0, to join with lines.

    Raises
    ------
    ImportError
        When foxglove_msgs is not installed.
    """

    def __init__(
        self, class_names: Sequence[str], skeleton: Sequence[tuple[int, int]] = ()
    ) -> None:
        from foxglove_msgs import msg

        self._types = msg
        self._message_type = msg.ImageAnnotations
        self._class_names = class_names
        self._skeleton = skeleton

    def fill(
        self,
        detections: Detections,
        header: Any,
        size_wh: tuple[int, int],
        keypoint_score_threshold: float,
    ) -> Any:
        """The message for one image, empty when nothing was found.

        Parameters
        ----------
        detections : Detections
            In the image's pixels. The best comes last, on top.
        header : std_msgs Header
            Of the image; every annotation has its stamp.
        size_wh : tuple of int
            Width and height of the image, with which lines and text grow.
        keypoint_score_threshold : float
            Keypoints that score less are left out, with their lines.
        """
        message, stamp = self._message_type(), header.stamp
        if hasattr(message, 'timestamp'):  # not in older releases; dates an empty message too
            message.timestamp = stamp
        sizes = Sizes.for_size(size_wh)
        if detections.keypoints is not None:
            for points in detections.keypoints[::-1]:
                message.points += self._pose(points, keypoint_score_threshold, sizes.line, stamp)
        boxes = _corners(detections).tolist()
        colors = object_colors(detections)
        for box, color in zip(reversed(boxes), reversed(colors), strict=True):
            message.points.append(
                self._types.PointsAnnotation(
                    timestamp=stamp,
                    type=self._types.PointsAnnotation.LINE_LOOP,
                    points=self._points(box),
                    outline_color=_rgba(color),
                    thickness=float(sizes.line),
                )
            )
        message.texts = self._labels(detections, colors, sizes.text, stamp)
        return message

    def _labels(
        self, detections: Detections, colors: Sequence[Color], px: int, stamp: Any
    ) -> list[Any]:
        """Class, score and id over the upper left corner of each box, or inside at the top."""
        lowest = float(text_height(px))
        rows = zip(
            detections.xyxy.tolist(),
            detections.class_id.tolist(),
            object_values(detections),
            colors,
            strict=True,
        )
        return [
            self._types.TextAnnotation(
                timestamp=stamp,
                position=self._types.Point2(x=left, y=max(top, lowest)),
                text=f'{drawn_name(self._class_names, class_id)} {value}',
                font_size=float(px),
                text_color=_rgba(legible_on(color)),
                background_color=_rgba(color),
            )
            for (left, top, _, _), class_id, value, color in reversed([*rows])
        ]

    def _pose(
        self, points: NDArray[np.float32], score_threshold: float, line_px: int, stamp: Any
    ) -> list[Any]:
        """The lines and the points of one object, in this order; without what is not visible."""
        at = points[:, :2].tolist()
        shown = [score >= score_threshold for score in points[:, 2].tolist()]
        lines = [
            (first, second)
            for first, second in self._skeleton
            if max(first, second) < len(at) and shown[first] and shown[second]
        ]
        visible = [index for index, is_shown in enumerate(shown) if is_shown]
        kind = self._types.PointsAnnotation
        found = []
        if lines:
            found.append(
                kind(
                    timestamp=stamp,
                    type=kind.LINE_LIST,
                    points=self._points(at[index] for index in chain(*lines)),
                    outline_color=_rgba(WHITE),
                    outline_colors=[_rgba(vivid(second + 1)) for _, second in lines],
                    thickness=float(line_px),
                )
            )
        if visible:
            found.append(
                kind(
                    timestamp=stamp,
                    type=kind.POINTS,
                    points=self._points(at[index] for index in visible),
                    outline_color=_rgba(WHITE),
                    outline_colors=[_rgba(vivid(index + 1)) for index in visible],
                    thickness=2.0 * (line_px + 1),  # the diameter
                )
            )
        return found

    def _points(self, pairs: Iterable[Sequence[float]]) -> list[Any]:
        return [self._types.Point2(x=x, y=y) for x, y in pairs]


class EngineAnnotations:
    """The topics `annotations` of one engine, one for each camera; none without foxglove_msgs.

    Parameters
    ----------
    node : rclpy Node
        Which publishes.
    task : Task
        What the engine does; one whose results are no boxes has no topics either.
    model : Model
        The engine's.
    prefixes : sequence of str
        Put before the name of the topic: one for each input.
    """

    def __init__(self, node: Node, task: Task, model: Any, prefixes: Sequence[str]) -> None:
        self._node = node
        self._publishers: list[Any] = []
        self._objects = shown_objects(task)
        message_type = _message_type(node) if self._objects is not None else None
        if message_type is None:
            return
        skeleton = model.skeleton if finds_objects(task) else ()
        self._message = AnnotationMessage(model.class_names, skeleton)
        self._publishers = [
            node.create_publisher(
                message_type, f'{each}annotations', **qos.overridable(qos.RESULTS)
            )
            for each in prefixes
        ]

    def renewed(self, task: Task, model: Any) -> EngineAnnotations:
        """The same topics for another model; only one of both is to be destroyed."""
        other = EngineAnnotations(self._node, task, model, ())
        other._publishers = self._publishers
        return other

    def publish(self, frame: Frame, result: Any, keypoint_score_threshold: float) -> None:
        """Publish what was found in a frame, if somebody subscribes."""
        if not self._publishers or self._objects is None:
            return
        publisher = self._publishers[frame.input_index]
        if publisher.get_subscription_count():
            found, size_wh = self._objects(result), frame.size_wh()
            message = self._message.fill(found, frame.header, size_wh, keypoint_score_threshold)
            publisher.publish(message)

    def destroy(self) -> None:
        """Take the topics down."""
        for publisher in self._publishers:
            self._node.destroy_publisher(publisher)


def _message_type(node: Node) -> Any:
    """ImageAnnotations; None where foxglove_msgs is missing, or is so old that it lacks them."""
    try:
        from foxglove_msgs.msg import ImageAnnotations
    except ImportError:
        return None
    try:
        check_for_type_support(ImageAnnotations)
    except Exception as error:  # noqa: BLE001 - whatever half an installation lacks
        node.get_logger().warning(
            f'foxglove_msgs is there, and its messages cannot be sent: {error}; no annotations '
            'are published. Source the environment that it was installed into'
        )
        return None
    return ImageAnnotations


def _corners(detections: Detections) -> NDArray[np.float32]:
    """Corners of each box, turned or not, shape (n, 4, 2)."""
    if detections.oriented is not None:
        return oriented_corners(detections.oriented)
    return detections.xyxy[:, _CORNERS].reshape(-1, 4, 2)


@cache
def _rgba(bgr: Color) -> Any:
    from foxglove_msgs.msg import Color as ColorMessage

    blue, green, red = (channel / 255 for channel in bgr)
    return ColorMessage(r=red, g=green, b=blue, a=1.0)
