"""`file://`: video files, through OpenCV."""

from __future__ import annotations

import logging
import math
import os
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np

from jetson_perception.camera.frame_buffers import FrameBuffers
from jetson_perception.camera.frame_rates import is_frame_rate
from jetson_perception.camera.native_output import quiet_ffmpeg
from jetson_perception.camera.pace import Pacer
from jetson_perception.camera.resizing import resized
from jetson_perception.camera.shown import shown
from jetson_perception.camera.source import CapturedFrame, unless_busy
from jetson_perception.camera.uri import VIDEO_SUFFIXES, parse
from jetson_perception.camera.video_container import read_video_container
from jetson_perception.camera.video_decoders import tell_decoder
from jetson_perception.camera.video_size import check_video_size
from jetson_perception.camera.video_times import VideoTimes
from jetson_perception.errors import CudaError, EndOfStream, SourceError
from jetson_perception.files.foreign_files import read_foreign_head
from jetson_perception.files.native_paths import native_path_to_read
from jetson_perception.files.text_heads import HEAD_BYTES, is_text
from jetson_perception.images.encodings import size_wh, to_bgr
from jetson_perception.images.picture_header import CONVERT, MAX_IMAGE_PIXELS, modern_picture
from jetson_perception.printable import counted, listed, printable

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from jetson_perception.cuda.device_picture import DevicePicture

_log = logging.getLogger(__name__)
_RATE_IF_UNKNOWN = 30.0
_PIPE_HINT = (
    'a pipe comes in on the standard input, by gst://fdsrc ! decodebin ! videoconvert, and a '
    'camera by v4l2:///dev/video0'
)
_DRAWN_TEXT = cv2.VideoWriter.fourcc(*'ansi')
# How texts begin that can be pictures, videos or lists of such: PNM, YUV4MPEG2, XPM, XBM, HLS.
_PLAYED_TEXTS = (
    *(b'P1', b'P2', b'P3', b'P4', b'P5', b'P6', b'P7'),
    *(b'YUV4', b'/* XPM', b'#define', b'#EXTM3U', b'ffconcat'),
)
_FASTEST_LIKELY_HZ = 120.0
_FIRST_FRAMES = 10
_MOST_UNDECODABLE = 300  # reads in a row that fail before the file counts as over


class FileSource:
    """Every frame of a video file, when it is shown by the file's own times.

    Containers also tell a rate and a number of frames, which are guesses in WebM and Matroska, and
    averages in an MP4 of a phone. A reader that is slower gets every frame all the same, later.
    Frames that cannot be decoded are left out, with a warning; those behind them keep their
    numbers.

    Parameters
    ----------
    uri : str
        `file:///home/me/drive.mp4`.
    size_wh : tuple of int, optional
        Frames are scaled to this width and height; the file's own if not given.
    frame_rate : float, optional
        Frames a second; by the file's own times if None, as fast as they are read if 0.
    loop : bool
        Begin again at the end.
    max_image_pixels : int
        A video of larger frames is refused.
    native : bool
        Leave frames that a GPU decodes there, as nv12; else all are bgr8.
    video_decoder : str
        One of `VIDEO_DECODERS`.
    """

    live = False
    truth_class_names: tuple[str, ...] = ()

    def __init__(
        self,
        uri: str,
        *,
        size_wh: tuple[int, int] | None = None,
        frame_rate: float | None = None,
        loop: bool = False,
        max_image_pixels: int = MAX_IMAGE_PIXELS,
        native: bool = False,
        video_decoder: str = 'cpu',
    ) -> None:
        self.uri = shown(uri)
        self._path = Path(parse(uri).target)
        self._size_wh = size_wh
        self._frame_rate = frame_rate
        self._loop = loop
        self._max_image_pixels = max_image_pixels
        self._native = native
        self._video_decoder = video_decoder
        self._stays_on_cpu = False
        self._lock = threading.Lock()  # held by a read, and by what releases the file
        self._closed = threading.Event()
        self._capture: Any = None
        self._pacer = Pacer(0)
        self._times = VideoTimes(_RATE_IF_UNKNOWN)
        self._told: set[str] = set()
        self.rate_hz = 0.0
        self.frame_count = 0
        self._buffers = FrameBuffers()
        self._shape: tuple[int, ...] | None = None
        #: Of the frame before it is scaled; of no use where it is not.
        self._decoded: NDArray[np.uint8] | None = None

    def open(self) -> None:
        """Open the file, at its beginning.

        Raises
        ------
        SourceError
            When it is missing, empty, not readable, or no video.
        """
        self.close()
        with self._lock:
            self._closed.clear()
            self._told.clear()
            self._stays_on_cpu = False
            self._capture = _open_video(self._path, self._max_image_pixels)
            own_rate_hz = _own_rate_hz(self._capture)
            if not _is_likely(own_rate_hz):
                own_rate_hz = _rate_of_first_frames(self._capture)
                self._capture.release()
                self._capture = None  # in case it can no longer be opened
                self._capture = _open_video(self._path, self._max_image_pixels)
            self.rate_hz = self._frame_rate or own_rate_hz or _RATE_IF_UNKNOWN
            announced = _announced(self._capture)
            self.frame_count = round(announced) if math.isfinite(announced) else 0
            self._pacer = Pacer(own_rate_hz if self._frame_rate is None else self._frame_rate)
            self._times = VideoTimes(own_rate_hz or _RATE_IF_UNKNOWN)
            if not own_rate_hz and self._frame_rate is None:
                self._warn(
                    f'{self.uri} says neither its frame rate nor when its frames are shown; it '
                    f'plays at {_RATE_IF_UNKNOWN:g} Hz; set a frame rate to change that'
                )
            self._capture = self._on_gpu(self._capture)

    def read(self) -> CapturedFrame:
        """The next frame, when it is due.

        Raises
        ------
        EndOfStream
            After the last frame, unless it loops.
        SourceError
            When the file is not open, or holds no frame at all.
        CudaError
            When the GPU that decodes it failed for good.
        """
        with self._lock:
            if self._capture is None:
                raise SourceError(f'{self.uri} is not open; call open() first')
            image, encoding = self._next(self._capture)
            times = self._times
            gap_s = times.gap_s if self._frame_rate is None else None
            late_s = self._pacer.wait(self._closed, gap_s)
            if self._closed.is_set():
                raise SourceError(f'{self.uri} was closed')
            return CapturedFrame(
                image,
                time.time_ns() - round(late_s * 1e9),  # as far apart as they are in the file
                encoding,
                index=times.last,
                offset_ns=round(times.offset_s * 1e9),
            )

    def close(self) -> None:
        """Release the file; a `read` that waits for its time ends."""
        self._closed.set()
        with unless_busy(self._lock) as free:
            if free and self._capture is not None:
                self._capture.release()
                self._capture = None

    def _on_gpu(self, capture: Any) -> Any:
        """The capture, or what reads the file by the GPU, if that is wanted and can be."""
        if self._video_decoder == 'cpu' or self._stays_on_cpu:
            return capture
        from jetson_perception.camera.gpu_file import on_gpu

        wanted = self._video_decoder
        opened, problem = on_gpu(capture, self._path, wanted, self._max_image_pixels)
        if not self._times.frames:  # not whenever it loops
            tell_decoder(self.uri, wanted, problem, opened.by if opened else '')
        self._stays_on_cpu = bool(problem)
        return opened or capture

    def _next(self, capture: Any) -> tuple[NDArray[np.uint8] | DevicePicture, str]:
        """The next frame, wherever it lies, and its encoding."""
        usable, image = self._decode(capture)
        if not usable:
            self._end_of_file(capture)
            capture = _open_video(self._path, self._max_image_pixels)
            capture = self._capture = self._on_gpu(capture)
            self._times.begin_again()
            usable, image = self._decode(capture)
            if not usable:
                raise SourceError(f'{self.uri} can no longer be read from its beginning')
        encoding = getattr(capture, 'encoding', 'bgr8')
        if encoding != 'bgr8':
            on_host = isinstance(image, np.ndarray)
            if not on_host or self._is_native_fit(size_wh(image, encoding)):
                return image, encoding
            image = to_bgr(image, encoding)
        return self._fitted(image), 'bgr8'

    def _is_native_fit(self, found_wh: tuple[int, int]) -> bool:
        """Whether frames of this size may stay in their encoding, and where they lie."""
        return self._native and self._size_wh in (None, found_wh)

    def _fitted(self, pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """A frame on the host, of the size that is wanted."""
        self._shape = pixels.shape
        if self._size_wh is None or pixels.shape[1::-1] == tuple(self._size_wh):
            self._decoded = None  # whoever gets it may keep it
            return pixels
        self._decoded = pixels
        width, height = self._size_wh
        return resized(pixels, self._size_wh, self._buffers.take((height, width, 3)))

    def _buffer(self) -> NDArray[np.uint8] | None:
        """What the next frame may be written into."""
        if self._decoded is not None or self._shape is None:
            return self._decoded
        return self._buffers.take(self._shape)

    def _decode(self, capture: Any) -> tuple[bool, Any]:
        """The next frame that can be decoded, if there is one."""
        times = self._times
        announced = _announced(capture)
        for failed in range(_MOST_UNDECODABLE):
            usable, pixels = self._read(capture)
            if usable:
                lost = times.decoded(_time_ms(capture), failed)
                if lost:
                    self._warn(
                        f'{self.uri}: {counted(lost, "frame")} from number {times.last - lost} on '
                        'cannot be decoded; left out'
                    )
                return True, pixels
            # OpenCV does not tell the end from damage, nor always know the number of frames.
            if self._closed.is_set() or times.last + 1 + failed >= announced:
                break
        return False, None

    def _read(self, capture: Any) -> tuple[bool, Any]:
        """Whether there was another frame, and that; on the host, unless it may stay on a GPU."""
        usable, image = capture.read(self._buffer())
        if not usable or isinstance(image, np.ndarray) or self._is_native_fit(image.size_wh):
            return usable, image
        try:
            return True, image.on_host()
        except CudaError as error:  # a full GPU may have room again for the next one
            if error.fatal:
                raise
            self._warn(f'{self.uri}: a frame is left out: {error}')
            return False, None

    def _end_of_file(self, capture: Any) -> None:
        """Return when the file begins again, raise otherwise."""
        times = self._times
        problem = getattr(capture, 'problem', '')
        if problem:
            self._warn(f'{self.uri}: {problem}')
        if not times.frames:
            _refuse_picture(self._path)
            raise SourceError(
                f'{self.uri} opens as a video but has no frames; it is damaged, or was cut off '
                'while it was written'
            )
        self._warn_if_damaged(_announced(capture))
        if not self._loop:
            raise EndOfStream(f'{self.uri} ended after {counted(times.frames, "frame")}')
        capture.release()

    def _warn_if_damaged(self, announced: float) -> None:
        times, container = self._times, read_video_container(self._path)
        is_counted = container.counts_frames and math.isfinite(announced)
        if container.cut_off or (is_counted and times.last + 1 < 0.98 * announced):
            decoded = counted(times.frames, 'frame')
            if is_counted:
                decoded = f'{times.frames} of {counted(round(announced), "frame")}'
            self._warn(
                f'{self.uri} ended after {decoded}; it is damaged, or was cut off while it was '
                'written'
            )

    def _warn(self, text: str) -> None:
        """Say something, but not again whenever the file loops."""
        if text not in self._told:
            self._told.add(text)
            _log.warning('%s', text)


def _announced(capture: Any) -> float:
    """How many frames there should be; a guess, if the container does not count them."""
    count = float(capture.get(cv2.CAP_PROP_FRAME_COUNT))
    return count if count > 0 else math.inf


def _time_ms(capture: Any) -> float:
    """When the frame that was read last is shown; NaN where this OpenCV does not know.

    FFmpeg's are the frames' own, in OpenCV 4.5.4 and later. Other backends count frames, or say
    how far the pipeline is.
    """
    if capture.getBackendName() != 'FFMPEG':
        return math.nan
    return float(capture.get(cv2.CAP_PROP_POS_MSEC))


def _own_rate_hz(capture: Any) -> float:
    """Frames a second by the container; 0 where it does not say."""
    rate = float(capture.get(cv2.CAP_PROP_FPS))
    return rate if is_frame_rate(rate) else 0.0


def _is_likely(rate_hz: float) -> bool:
    """Whether a rate is one of frames: WebM of a browser has 1000, the ticks of its clock."""
    return 0 < rate_hz <= _FASTEST_LIKELY_HZ


def _rate_of_first_frames(capture: Any) -> float:
    """Frames a second by their times, of a video at its beginning; 0 where they have none."""
    times_ms = [_time_ms(capture) for _ in range(_FIRST_FRAMES) if capture.grab()]
    lasts_s = (times_ms[-1] - times_ms[0]) / 1e3 if times_ms else 0.0
    rate_hz = (len(times_ms) - 1) / lasts_s if lasts_s > 0 else 0.0
    return rate_hz if is_frame_rate(rate_hz) else 0.0


def require_video(path: Path, max_image_pixels: int = MAX_IMAGE_PIXELS) -> None:
    """Refuse a file that is no video.

    Raises
    ------
    SourceError
        As `FileSource.open` does.
    """
    _open_video(path, max_image_pixels).release()


def _open_video(path: Path, max_image_pixels: int) -> Any:
    head = _check_file(path)
    quiet_ffmpeg()
    # FFmpeg first: by itself, OpenCV may take digits in the name for a series of pictures.
    for backend in (cv2.CAP_FFMPEG, cv2.CAP_ANY):
        # Once the file is open, OpenCV no longer needs the name.
        with native_path_to_read(path.absolute()) as native:
            capture = cv2.VideoCapture(native, backend)
        if capture.isOpened():
            try:
                _refuse_text(capture, path, head)
                check_video_size(capture, shown(str(path)), max_image_pixels)
            except SourceError:
                capture.release()
                raise
            return capture
        capture.release()
    if _is_mere_text(head):
        raise _text_error(path)
    _refuse_picture(path, head)
    raise SourceError(
        f'{shown(str(path))} is not a video that this OpenCV can read; it is damaged, was cut off '
        'while it was written, or uses a codec that is missing here (ffprobe shows which)'
    )


def _refuse_picture(path: Path, head: bytes | None = None) -> None:
    """Raise SourceError for a picture in a format that FFmpeg may open as a video of no frames."""
    name = modern_picture(_check_file(path) if head is None else head)
    if name:
        raise SourceError(f'{shown(str(path))} is {name}, which cannot be read here; {CONVERT}')


def _refuse_text(capture: Any, path: Path, head: bytes) -> None:
    """Raise SourceError where FFmpeg makes a video of a text, by drawing its letters.

    It does so for .txt, .nfo and others, and for .bin without naming a codec.
    """
    codec = int(capture.get(cv2.CAP_PROP_FOURCC))
    if codec == _DRAWN_TEXT or (not codec and _is_mere_text(head)):
        raise _text_error(path)


def _is_mere_text(head: bytes) -> bool:
    return is_text(head) and not head.startswith(_PLAYED_TEXTS)


def _text_error(path: Path) -> SourceError:
    return SourceError(f'{shown(str(path))} is a text, not a picture or video')


def _check_file(path: Path) -> bytes:
    """The beginning of a file that may be a video."""
    if not os.path.lexists(path):
        raise SourceError(f'there is no {shown(str(path))}{_videos_beside(path)}')
    if os.path.isdir(path):
        name = printable(path)
        raise SourceError(
            f'{name} is a folder; its pictures are images://{name}{_videos_beside(path / "x")}'
        )
    head = read_foreign_head(
        path, what='video', error=SourceError, count=HEAD_BYTES, hint=_PIPE_HINT
    )
    if not head:
        raise SourceError(f'{printable(path)} is empty; expected a video')
    return head


def _videos_beside(path: Path) -> str:
    try:
        names = sorted(p.name for p in path.parent.iterdir() if p.suffix.lower() in VIDEO_SUFFIXES)
    except OSError:
        return f'; there is no folder {shown(str(path.parent))} either'
    if not names:
        return ''
    return f'; videos in {shown(str(path.parent))} are {printable(listed(names, 5))}'
