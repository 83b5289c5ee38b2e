"""Detections, keypoints and masks from camera topics, on NVIDIA Jetson and on any Linux."""

from pkgutil import extend_path

# Python started in a checkout imports the modules from there; the generated messages are in the
# installed package of the same name.
__path__ = extend_path(__path__, __name__)
