"""A camera, file, stream or rendered scene as an image topic."""

from jetson_perception import bringup
from jetson_perception.ros.launching import launch_description


def generate_launch_description():
    return launch_description(bringup.CAMERA_ARGUMENTS, bringup.camera)
