"""Detection and pose estimation on a camera's images, with YOLO engines side by side."""

from jetson_perception import bringup
from jetson_perception.ros.launching import launch_description


def generate_launch_description():
    return launch_description(bringup.YOLO_ARGUMENTS, bringup.yolo)
