"""RTSP streams on the GPU: PyAV reads their packets, as OpenCV would, and NVDEC decodes them."""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING

from jetson_perception.camera.gpu_video import GpuVideo, decoding_gpu
from jetson_perception.camera.resizing import resized
from jetson_perception.camera.video_packets import VideoPackets
from jetson_perception.errors import CudaError, SourceError
from jetson_perception.images.encodings import to_bgr

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from jetson_perception.cuda.device_picture import DevicePicture

_OPTIONS = 'OPENCV_FFMPEG_CAPTURE_OPTIONS'


class GpuRtspGrabber:
    """A stream whose newest picture stays on the GPU, a `Grabber`.

    Parameters
    ----------
    url : str
        It may have a password, which no error repeats.
    name : str
        The same without it.
    wanted : str
        'auto' or 'gpu'.
    size_wh : tuple of int or None
        Of the frames that `grab` gives; the stream's own if None.
    timeout_s : tuple of float
        How long the server may take to answer and to send a first key frame, and then for each
        packet.
    max_image_pixels : int
        A larger picture is refused.
    native : bool
        Leave pictures on the GPU, unless they are to be scaled; else they are bgr8.

    Raises
    ------
    CudaError
        When the GPU does not decode it; no connection was made if that was clear before.
    PyavError
        When PyAV is missing, or cannot read it; the CPU may decode it all the same.
    SourceError
        When there is no such stream.
    """

    def __init__(
        self,
        url: str,
        name: str,
        wanted: str,
        size_wh: tuple[int, int] | None,
        timeout_s: tuple[float, float],
        max_image_pixels: int,
        *,
        native: bool,
    ) -> None:
        index = decoding_gpu(wanted)
        self._name, self._size_wh, self._native = name, size_wh, native
        until_s = time.monotonic() + timeout_s[0]
        packets = VideoPackets(url, ffmpeg_options(), timeout_s)
        left_s = until_s - time.monotonic()
        self._video = GpuVideo(
            packets, index, max_image_pixels, at_once=True, first_within_s=left_s
        )
        self.encoding = 'bgr8'

    def grab(self, out: NDArray[np.uint8] | None) -> tuple[NDArray[np.uint8] | DevicePicture, int]:
        """The next picture, and when the last of its packet came.

        Raises
        ------
        SourceError
            When the stream was lost, or the GPU had no room for its pictures.
        CudaError
            When the GPU failed for good.
        """
        try:
            return self._grabbed(out)
        except CudaError as error:
            if error.fatal:
                raise
            # As text: the error refers to objects on the GPU.
            problem = str(error)
        raise SourceError(f'{self._name}: {problem}')

    def _grabbed(
        self, out: NDArray[np.uint8] | None
    ) -> tuple[NDArray[np.uint8] | DevicePicture, int]:
        try:
            picture = self._video.read()
        except SourceError as error:
            raise SourceError(f'{self._name}: {error}') from None
        if picture is None or self._video.packet is None:
            raise SourceError(f'{self._name}: the server ended the stream')
        arrived_ns = self._video.packet.arrived_ns
        if self._native and self._size_wh in (None, picture.size_wh):
            self.encoding = picture.encoding
            return picture, arrived_ns
        self.encoding = 'bgr8'
        bgr = to_bgr(picture.on_host(), picture.encoding)
        if self._size_wh is None or self._size_wh == picture.size_wh:
            return bgr, arrived_ns
        return resized(bgr, self._size_wh, out), arrived_ns

    def interrupt(self) -> None:
        """End a wait for a picture with the next packet, for which FFmpeg has its own timeout."""
        self._video.interrupt()

    def release(self) -> None:
        """Let the stream go; pictures that are about stay."""
        self._video.close()


def ffmpeg_options() -> dict[str, str]:
    """What FFmpeg is told of a stream, as OpenCV tells it: by TCP, unless the user says else."""
    given = os.environ.get(_OPTIONS)
    if given is None:
        return {'rtsp_transport': 'tcp'}
    pairs = (each.partition(';') for each in given.split('|'))
    return {name: value for name, found, value in pairs if found}
