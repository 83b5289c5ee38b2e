"""A detector and a pose model, each in FP16 and INT8, side by side on a camera's images."""

from jetson_perception import bringup
from jetson_perception.ros.launching import launch_description


def generate_launch_description():
    return launch_description(bringup.CONCURRENT_ARGUMENTS, bringup.concurrent)
