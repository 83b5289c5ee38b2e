"""Semantic segmentation of a camera's images; by default of a rendered conveyor of oranges."""

from jetson_perception import bringup
from jetson_perception.ros.launching import launch_description


def generate_launch_description():
    return launch_description(bringup.SEG_ARGUMENTS, bringup.seg)
