"""Frame sources."""

from jetson_perception.camera.opening import open_source
from jetson_perception.camera.reconnect import frames
from jetson_perception.camera.source import CapturedFrame, FrameSource

__all__ = ['CapturedFrame', 'FrameSource', 'frames', 'open_source']
