"""Detections, keypoints and masks from camera topics, on NVIDIA Jetson and on any Linux."""

from pkgutil import extend_path

# A checkout has the modules, an install folder the generated messages beside them. Where Python
# finds the checkout first, as `python -m` does when run in it, the messages are found all the same.
__path__ = extend_path(__path__, __name__)
