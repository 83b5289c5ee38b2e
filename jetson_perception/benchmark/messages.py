"""Results as the messages that a node would publish, where ROS is there to build them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

    from jetson_perception.models import Model


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


def message_builder(model: Model[Any, Any]) -> Callable[[Any, Any], Any]:
    """What makes the messages of one result, as (result, header) to messages.

    They are those that the node of its task publishes to its subscribers. Without ROS the result
    comes back as it is.
    """
    if not messages_available():
        return lambda result, header: result
    topics = model.task.topics(model)
    return lambda result, header: [topic.fill(result, header) for topic in topics]
