"""A video file on the GPU, in the place of OpenCV's capture."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import cv2

from jetson_perception.camera.gpu_video import GpuVideo, decoding_gpu
from jetson_perception.camera.gst_file import GstFile, has_hardware_decoder
from jetson_perception.camera.video_packets import VideoPackets
from jetson_perception.cuda import CudaDevice
from jetson_perception.cuda.nvdec import NvdecError
from jetson_perception.errors import CudaError, SourceError
from jetson_perception.files.native_paths import native_path_to_read

if TYPE_CHECKING:
    from pathlib import Path

    from jetson_perception.cuda.device_picture import DevicePicture

_KEPT = cv2.CAP_PROP_FRAME_COUNT, cv2.CAP_PROP_FPS


class GpuFile:
    """What `cv2.VideoCapture` is to a FileSource, with pictures that stay on the GPU.

    Parameters
    ----------
    capture : cv2.VideoCapture
        The same file, of which nothing was read; it is not closed.
    video : GpuVideo
        Closed with this.

    Attributes
    ----------
    by : str
        What decodes, for people.
    encoding : str
        Of its pictures.
    problem : str
        Why it gave no more, for people; empty where that is its end.
    """

    by = 'NVDEC'
    encoding = 'nv12'
    problem = ''

    def __init__(self, capture: Any, video: GpuVideo) -> None:
        self._said = {which: float(capture.get(which)) for which in _KEPT}
        self._video = video

    def read(self, _out: object = None) -> tuple[bool, DevicePicture | None]:
        """Whether there was another picture, and that; as of the capture.

        Raises
        ------
        CudaError
            When the GPU failed for good.
        """
        try:
            picture = self._video.read()
        except SourceError as error:  # a file cut off, or damaged: over, as OpenCV has it
            picture, self.problem = None, str(error)
        if picture is not None:
            self.problem = ''
        return picture is not None, picture

    def get(self, which: int) -> float:
        """A property of the capture, of those that a FileSource asks for."""
        if which == cv2.CAP_PROP_POS_MSEC:
            packet = self._video.packet
            return math.nan if packet is None or packet.time_ms is None else packet.time_ms
        return self._said[which]

    def getBackendName(self) -> str:  # noqa: N802 - OpenCV's name
        """Whose times they are."""
        return 'FFMPEG'

    def release(self) -> None:
        """Let it go."""
        self._video.close()


def on_gpu(
    capture: Any, path: Path, wanted: str, max_image_pixels: int
) -> tuple[GpuFile | GstFile | None, str]:
    """What reads an open video file by the GPU; if nothing does, why.

    That is NVDEC through PyNvVideoCodec, else a Jetson's decoder through GStreamer.

    Parameters
    ----------
    capture : cv2.VideoCapture
        The file, of which nothing was read; released if something else takes its place.
    path : Path
    wanted : str
        'auto' or 'gpu'.
    max_image_pixels : int
    """
    taken: GpuFile | GstFile | None
    try:
        taken = GpuFile(capture, _opened(capture, path, wanted, max_image_pixels))
    except (CudaError, SourceError) as error:
        taken, problem = _by_gstreamer(capture, path, wanted, max_image_pixels)
        if taken is None:
            return None, f'{error}; {problem}' if problem else str(error)
    capture.release()
    return taken, ''


def _by_gstreamer(
    capture: Any, path: Path, wanted: str, max_image_pixels: int
) -> tuple[GstFile | None, str]:
    """The file by a Jetson's decoder; None, and why if there is one."""
    if not has_hardware_decoder() or (wanted == 'auto' and not CudaDevice.in_use()):
        return None, ''
    try:
        require_plain(capture)
        with native_path_to_read(path.absolute()) as native:
            packets = VideoPackets(native)
        return GstFile(capture, path, packets, max_image_pixels), ''
    except (CudaError, SourceError) as error:
        return None, f'nor by GStreamer: {error}'


def _opened(capture: Any, path: Path, wanted: str, max_image_pixels: int) -> GpuVideo:
    index = decoding_gpu(wanted)
    require_plain(capture)
    with native_path_to_read(path.absolute()) as native:
        packets = VideoPackets(native)
    return GpuVideo(packets, index, max_image_pixels)


def require_plain(capture: Any) -> None:
    """Refuse a file of whose pictures OpenCV would make others, or tell other times."""
    if capture.getBackendName() != 'FFMPEG':
        raise NvdecError('OpenCV reads its times by another backend than FFmpeg')
    turned = round(capture.get(cv2.CAP_PROP_ORIENTATION_META))
    if turned % 360:
        raise NvdecError(f'its pictures are to be turned by {turned} degrees')
