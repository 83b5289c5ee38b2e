"""Results as the messages that a node would publish, where ROS is there to build them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from jetson_perception.models import SegmentationModel

if TYPE_CHECKING:
    from collections.abc import Callable

    from jetson_perception.models import YoloModel


def messages_available() -> bool:
    """Whether ROS 2 and this package's messages can be imported."""
    try:
        import jetson_perception.ros.result_messages  # noqa: F401
    except ImportError:
        return False
    return True


def what_is_built() -> str:
    """What a measured result ends as, for people."""
    return 'ROS messages' if messages_available() else 'result objects (ROS 2 is not there)'


def new_header() -> Any:
    """A header as an image brings it; None without ROS."""
    if not messages_available():
        return None
    from std_msgs.msg import Header

    return Header(frame_id='camera')


def message_builder(model: SegmentationModel | YoloModel) -> Callable[[Any, Any], Any]:
    """What makes the messages of one result, as (result, header) to messages.

    They are those that seg_node and yolo_node publish to whoever listens: boxes, keypoints of a
    pose model, ids of instances; the mask and the area of each class. Without ROS the result comes
    back as it is.
    """
    if not messages_available():
        return lambda result, header: result
    from jetson_perception.ros import result_messages, serialized_results
    from jetson_perception.ros.image_messages import ImageMessage

    if isinstance(model, SegmentationModel):
        mask = ImageMessage()
        names = model.class_names
        return lambda result, header: (
            mask.fill(result.mask, 'mono8', header),
            result_messages.summary_message(result, names, header),
        )
    fillers: list[Any] = [serialized_results.DetectionBytes(model.class_names)]
    if model.keypoint_names:
        fillers.append(serialized_results.KeypointBytes(model.class_names, model.keypoint_names))
    if model.layout.coefficient_count:
        fillers.append(result_messages.InstanceMessage())
    return lambda result, header: [filler.fill(result, header) for filler in fillers]
