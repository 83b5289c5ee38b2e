"""`gst://` and `csi://`: GStreamer pipelines, run in a child process.

A driver or plugin that crashes takes the child with it, not the node. Where PyGObject is
installed, frames come in shared memory (`gst_appsink`); elsewhere from the pipe of gst-launch-1.0
(`gst_process`). No OpenCV built with GStreamer is needed. Only a CSI camera whose frames are to
stay in its own memory runs in this process, if the user asks for it (`nvmm`).
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING

from jetson_perception.camera.gst_appsink import GstAppsink, python_with_gstreamer
from jetson_perception.camera.gst_pipeline import (
    appsink_words,
    at_most,
    csi_nvmm_pipeline,
    csi_pipeline,
    launch_arguments,
    scaled,
    split_pipeline,
)
from jetson_perception.camera.gst_process import GstProcess
from jetson_perception.camera.gst_video import bgr_video
from jetson_perception.camera.live import LiveSource
from jetson_perception.camera.uri import parse, sensor_and_memory
from jetson_perception.errors import CudaError, SourceError
from jetson_perception.images.picture_header import MAX_IMAGE_PIXELS

if TYPE_CHECKING:
    import threading

    from jetson_perception.camera.live import Grabber

_log = logging.getLogger(__name__)


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
        `csi://0`: the number of the sensor. With `?memory=nvmm`, frames stay in the camera's own
        memory, and GStreamer runs in this process; with `?memory=auto` where that is possible and
        an engine of this process runs on the GPU.
    size_wh : tuple of int, optional
        Width and height of the frames; 1280 by 720 if not given. The processor picks the sensor
        mode that serves it and scales.
    frame_rate : float, optional
        30 if not given.
    native : bool
        Leave frames as the image signal processor gives them, NV12; else they become bgr8, in the
        host's memory.

    Raises
    ------
    SourceError
        When memory=nvmm is asked for, but not native frames.
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
        sensor, self._memory = sensor_and_memory(parse(uri).target)
        settings = int(sensor), size_wh, frame_rate or 30.0
        pipeline = csi_pipeline(*settings, pixel_format='NV12' if native else 'BGRx')
        self._nvmm_pipeline = csi_nvmm_pipeline(*settings)
        self._run = _Run(uri, pipeline, size_wh, MAX_IMAGE_PIXELS, paced=False, native=native)
        super().__init__(uri, self._start)
        if self._memory == 'nvmm' and not native:
            raise SourceError(
                f"{self.uri}: pictures in the camera's memory are for a node with an engine that "
                'reads the camera itself (in_process:=true); leave ?memory=nvmm out here'
            )
        if not native:
            self._memory = 'host'

    def _start(self, cancelled: threading.Event) -> Grabber:
        """The camera, with its frames in its own memory if that is wanted and possible."""
        if self._memory == 'host':
            return self._run.start(cancelled)
        from jetson_perception.camera.nvmm import NvmmGrabber, SilentError  # takes CUDA

        try:
            return NvmmGrabber(self.uri, self._nvmm_pipeline, self._memory, cancelled)
        except CudaError as error:
            if error.fatal:
                raise
            problem = str(error)  # as text: the error refers to objects on the GPU
        except SourceError as error:
            if self._memory == 'nvmm' or cancelled.is_set():
                raise
            problem = str(error)
            if isinstance(error, SilentError):  # to wait for it each time would take too long
                self._memory = 'host'
        if self._memory == 'nvmm':
            raise SourceError(
                f"{self.uri}: frames cannot stay in the camera's memory: {problem}; "
                '?memory=auto takes another way where that is so'
            )
        made = self._run.start(cancelled)
        # Where this fails as well, it was not for the memory, which is tried again.
        self._memory = 'host'
        _log.info("%s: frames come in the host's memory: %s", self.uri, problem)
        return made


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
