"""Whether ROS is there, which only some of the commands need."""

from __future__ import annotations

from jetson_perception.errors import PerceptionError
from jetson_perception.printable import printable


def require_ros(what: str) -> None:
    """Check that ROS can be imported, for what is done with it: 'a running graph is measured'.

    Raises
    ------
    PerceptionError
        When it cannot.
    """
    try:
        import rclpy  # noqa: F401
    except ImportError as err:
        raise PerceptionError(
            f'{what} with ROS 2, which this Python does not find ({printable(err)}): source '
            '/opt/ros/<distribution>/setup.bash; `jetson-perception doctor` says more'
        ) from err
