"""`gst://` and `csi://`: GStreamer pipelines, run in a child process.

A driver or plugin that crashes takes the child with it, not the node. Where PyGObject is
installed, frames come in shared memory (`gst_appsink`); elsewhere from the pipe of gst-launch-1.0
(`gst_process`). No OpenCV built with GStreamer is needed.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from jetson_perception.camera.gst_appsink import GstAppsink, python_with_gstreamer
from jetson_perception.camera.gst_pipeline import (
    appsink_words,
    at_most,
    csi_pipeline,
    launch_arguments,
    scaled,
    split_pipeline,
)
from jetson_perception.camera.gst_process import GstProcess
from jetson_perception.camera.gst_video import bgr_video
from jetson_perception.camera.live import LiveSource
from jetson_perception.camera.uri import parse
from jetson_perception.images.picture_header import MAX_IMAGE_PIXELS

if TYPE_CHECKING:
    import threading

    from jetson_perception.camera.live import Grabber


class GstSource(LiveSource):
    """A pipeline that the user gave, up to its raw video.

    Frames come at the pace of their timestamps and the newest is read, so a pipeline that reads a
    file plays it at its own rate. `open` needs gst-launch-1.0 on PATH.

    Parameters
    ----------
    uri : str
        `gst://` and the text that gst-launch-1.0 takes, without a sink:
        `gst://v4l2src device=/dev/video0 ! image/jpeg,width=1280 ! jpegdec`. It is split as a
        shell would, but never given to one. Memory of a device must be brought to the host by
        it (`nvvidconv ! video/x-raw`).
    size_wh : tuple of int, optional
        Frames are scaled to this width and height.
    frame_rate : float, optional
        Frames beyond this rate are dropped; 0 plays as fast as the pipeline runs.
    every_frame : bool
        Have the pipeline wait for the reader, who gets all that it gives.
    max_image_pixels : int
        A pipeline whose frames have more is refused when its first one comes.
    native : bool
        Leave frames in the format that the pipeline gives, where it is a known one; else they
        become bgr8.

    Raises
    ------
    SourceError
        When the text is no pipeline; here, before anything runs.
    """

    def __init__(
        self,
        uri: str,
        *,
        size_wh: tuple[int, int] | None = None,
        frame_rate: float | None = None,
        every_frame: bool = False,
        max_image_pixels: int = MAX_IMAGE_PIXELS,
        native: bool = False,
    ) -> None:
        pipeline = [*split_pipeline(uri, parse(uri).target), *scaled(size_wh)]
        if frame_rate:
            pipeline += at_most(frame_rate)
        run = _Run(uri, pipeline, size_wh, max_image_pixels, paced=frame_rate != 0, native=native)
        super().__init__(uri, run.start, every_frame=every_frame)


class CsiSource(LiveSource):
    """A camera on a Jetson's CSI connector, through its image signal processor (nvarguscamerasrc).

    Parameters
    ----------
    uri : str
        `csi://0`: the number of the sensor.
    size_wh : tuple of int, optional
        Width and height of the frames; 1280 by 720 if not given. The processor picks the sensor
        mode that serves it and scales.
    frame_rate : float, optional
        30 if not given.
    native : bool
        Leave frames as the image signal processor gives them, NV12; else they become bgr8.
    """

    def __init__(
        self,
        uri: str,
        *,
        size_wh: tuple[int, int] | None = None,
        frame_rate: float | None = None,
        native: bool = False,
    ) -> None:
        size_wh = size_wh or (1280, 720)
        pixel_format = 'NV12' if native else 'BGRx'
        pipeline = csi_pipeline(
            int(parse(uri).target), size_wh, frame_rate or 30.0, pixel_format=pixel_format
        )
        run = _Run(uri, pipeline, size_wh, MAX_IMAGE_PIXELS, paced=False, native=native)
        super().__init__(uri, run.start)


@dataclass(frozen=True)
class _Run:
    """What `GstAppsink` and `GstProcess` need to run a pipeline; see there."""

    uri: str
    pipeline: list[str]
    size_wh: tuple[int, int] | None
    max_image_pixels: int
    paced: bool
    native: bool

    def start(self, cancelled: threading.Event) -> Grabber:
        """The pipeline, running, in whichever way this machine offers."""
        python = python_with_gstreamer()
        if python is not None:
            return GstAppsink(
                self.uri,
                python,
                appsink_words(self.pipeline, native=self.native),
                cancelled,
                self.max_image_pixels,
                paced=self.paced,
            )
        return GstProcess(
            self.uri,
            launch_arguments(self.pipeline, paced=self.paced, native=self.native),
            None if self.size_wh is None or self.native else bgr_video(self.size_wh),
            cancelled,
            self.max_image_pixels,
            native=self.native,
        )
