"""A video file decoded by a Jetson's own decoder, through GStreamer, in OpenCV's place.

Frames come over the host's memory, which is the GPU's too. PyAV says when each is shown, as of any
other decoder; GStreamer's times only tell which of them it is.
"""

from __future__ import annotations

import functools
import math
import subprocess
import threading
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import cv2

from jetson_perception.camera.frame_buffers import FrameBuffers
from jetson_perception.camera.gpu_video import wanted_colors
from jetson_perception.camera.gst_appsink import GstAppsink, python_with_gstreamer
from jetson_perception.camera.gst_pipeline import appsink_words
from jetson_perception.camera.shown import shown
from jetson_perception.errors import SourceError

if TYPE_CHECKING:
    from pathlib import Path

    import numpy as np
    from numpy.typing import NDArray

    from jetson_perception.camera.video_packets import VideoPackets

DECODER, CONVERTER = 'nvv4l2decoder', 'nvvidconv'
"""Elements of JetPack's: one that decodes into memory of the Jetson's, one that copies from it."""

_KEPT = cv2.CAP_PROP_FRAME_COUNT, cv2.CAP_PROP_FPS
_LOOK_S = 20.0
#: How far times of packets are read ahead of a frame, and how far one may be from its packet's.
_AHEAD_MS, _APART_MS = 2000.0, 2.0


@functools.cache
def has_hardware_decoder() -> bool:
    """Whether this is a Jetson with GStreamer's elements of JetPack, and PyGObject."""
    for name in (DECODER, CONVERTER):
        try:
            found = subprocess.run(
                ['gst-inspect-1.0', '--exists', name], capture_output=True, timeout=_LOOK_S
            )
        except (OSError, subprocess.SubprocessError):
            return False
        if found.returncode:
            return False
    return python_with_gstreamer() is not None


class GstFile:
    """What `cv2.VideoCapture` is to a FileSource, with frames of a Jetson's decoder.

    Parameters
    ----------
    capture : cv2.VideoCapture
        The same file, of which nothing was read; it is not closed.
    path : Path
    packets : VideoPackets
        Of the same file; closed with this, and if this cannot be made.
    max_image_pixels : int
        A file of larger frames is refused.

    Raises
    ------
    NvdecError
        When it is a video that such a decoder is not asked for.
    SourceError
        When GStreamer gives no frame of it.

    Attributes
    ----------
    by : str
        What decodes, for people.
    encoding : str
        Of its frames: 'nv12' for BT.601 with limited range, else bgr8.
    """

    by = DECODER

    def __init__(
        self, capture: Any, path: Path, packets: VideoPackets, max_image_pixels: int
    ) -> None:
        self._said = {which: float(capture.get(which)) for which in _KEPT}
        self._packets, self._times = packets, _Times(packets)
        self._buffers = FrameBuffers()
        self._time_ms = math.nan
        try:
            python = python_with_gstreamer()
            if python is None:
                raise SourceError('there is no PyGObject with GStreamer')
            is_plain = wanted_colors(packets) is None
            self._grabber = GstAppsink(
                f'file://{shown(str(path))}',
                python,
                appsink_words(words(path, is_plain=is_plain), native=is_plain),
                threading.Event(),
                max_image_pixels,
                paced=False,
            )
        except BaseException:
            packets.close()
            raise
        self.encoding = self._grabber.encoding

    def read(self, _out: object = None) -> tuple[bool, NDArray[np.uint8] | None]:
        """Whether there was another frame, and that; as of the capture."""
        with suppress(SourceError):  # its end, or damage, which ends it too
            pixels, _ = self._grabber.grab(self._buffers.take(self._grabber.shape))
            self._time_ms = self._times.of(self._grabber.shown_ns)
            return True, pixels
        return False, None

    def get(self, which: int) -> float:
        """A property of the capture, of those that a FileSource asks for."""
        return self._time_ms if which == cv2.CAP_PROP_POS_MSEC else self._said[which]

    def getBackendName(self) -> str:  # noqa: N802 - OpenCV's name
        """Whose times they are."""
        return 'FFMPEG'

    def release(self) -> None:
        """Let it go."""
        self._grabber.release()
        self._packets.close()


class _Times:
    """Which packet's time a frame has, of those that are shown after the frame before it."""

    def __init__(self, packets: VideoPackets) -> None:
        self._packets = packets
        self._waiting: list[float] = []
        self._over = False
        #: From GStreamer's times to those of packets: both begin with the first frame.
        self._shift_ms = math.nan

    def of(self, shown_ns: int | None) -> float:
        """When a frame is shown, milliseconds; NaN where nobody knows."""
        if shown_ns is None:
            return math.nan
        shown_ms = shown_ns / 1e6
        if math.isnan(self._shift_ms):
            self._read_until(_AHEAD_MS)
            self._shift_ms = min(self._waiting, default=shown_ms) - shown_ms
        expected_ms = shown_ms + self._shift_ms
        self._read_until(expected_ms + _AHEAD_MS)
        nearest_ms = min(self._waiting, key=lambda each: abs(each - expected_ms), default=math.inf)
        if not self._waiting:
            return expected_ms
        if abs(nearest_ms - expected_ms) > _APART_MS:
            # GStreamer shortens long pauses of transport streams.
            nearest_ms = min(self._waiting)
            self._shift_ms = nearest_ms - shown_ms
        self._waiting = [each for each in self._waiting if each > nearest_ms]
        return nearest_ms

    def _read_until(self, time_ms: float) -> None:
        while not self._over and max(self._waiting, default=-math.inf) < time_ms:
            packet = self._packets.read()
            if packet is None:
                self._over = True
            elif packet.time_ms is not None and not packet.hidden:
                self._waiting.append(packet.time_ms)


def words(path: Path, *, is_plain: bool) -> list[str]:
    """The pipeline up to raw video: NV12, or BGRx where other colors are to be converted."""
    pixel_format = 'NV12' if is_plain else 'BGRx'
    return [
        'filesrc',
        f'location={path.absolute()}',
        *f'! parsebin ! {DECODER} ! {CONVERTER} ! video/x-raw,format={pixel_format}'.split(),
    ]
