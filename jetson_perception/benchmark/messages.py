"""Builds the messages that a node would publish, if ROS is available."""

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
    """What is built from each result, for people."""
    return 'ROS messages' if messages_available() else 'result objects (without ROS 2)'


def new_header() -> Any:
    """The header of an image; None without ROS."""
    if not messages_available():
        return None
    from std_msgs.msg import Header

    return Header(frame_id='camera')


def message_builder(model: Model[Any, Any]) -> Callable[[Any, Any], Any]:
    """A function from (result, header) to the messages of the result.

    They are the messages that the node for this task publishes to whoever does not ask for more.
    Without ROS the function returns the result unchanged.
    """
    if not messages_available():
        return lambda result, header: result
    topics = [topic for topic in model.task.topics(model) if not topic.on_demand]
    return lambda result, header: [topic.fill(result, header) for topic in topics]
