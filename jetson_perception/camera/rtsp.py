"""`rtsp://`: streams of network cameras, through OpenCV's FFmpeg."""

from __future__ import annotations

import logging
import socket
import time
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import cv2

from jetson_perception.camera.live import LiveSource
from jetson_perception.camera.native_output import quiet_ffmpeg
from jetson_perception.camera.resizing import resized
from jetson_perception.camera.rtsp_describe import DescribeAnswer, describe, host_and_port
from jetson_perception.camera.shown import address, quotes_secret, shown
from jetson_perception.camera.uri import ESCAPES
from jetson_perception.camera.video_decoders import tell_decoder
from jetson_perception.camera.video_size import check_video_size
from jetson_perception.errors import CudaError, SourceError
from jetson_perception.images.picture_header import MAX_IMAGE_PIXELS
from jetson_perception.printable import printable

if TYPE_CHECKING:
    import threading

    import numpy as np
    from numpy.typing import NDArray

    from jetson_perception.camera.live import Grabber

_log = logging.getLogger(__name__)


class RtspSource(LiveSource):
    """A stream from an RTSP server, over TCP; always the newest frame.

    OpenCV's FFmpeg prefers TCP by itself; the environment variable OPENCV_FFMPEG_CAPTURE_OPTIONS
    changes that (`rtsp_transport;udp`). With `video_decoder`, a GPU decodes. Else, it is one
    thread of the CPU, since each more holds a frame back; a stream that is too large for that,
    and the decoder in a Jetson's hardware, are reached with `gst://rtspsrc location=… !
    rtph264depay ! h264parse ! nvv4l2decoder ! nvvidconv ! video/x-raw`.

    Parameters
    ----------
    uri : str
        The stream's URL, with user and password where it needs them.
    size_wh : tuple of int, optional
        Frames are scaled to this width and height; the stream's own if not given.
    frame_rate : float, optional
        Not used: the server sets the rate; the log says so.
    open_timeout_s : float
        Time for the server to answer and to send a first key frame, which some cameras do every
        few seconds only.
    read_timeout_s : float
        A server that sends nothing for so long counts as dead.
    max_image_pixels : int
        A stream of larger frames is refused.
    native : bool
        Leave frames that a GPU decodes there, as nv12; else all are bgr8.
    video_decoder : str
        One of `VIDEO_DECODERS`.
    """

    def __init__(
        self,
        uri: str,
        *,
        size_wh: tuple[int, int] | None = None,
        frame_rate: float | None = None,
        open_timeout_s: float = 15.0,
        read_timeout_s: float = 5.0,
        max_image_pixels: int = MAX_IMAGE_PIXELS,
        native: bool = False,
        video_decoder: str = 'cpu',
    ) -> None:
        if frame_rate:
            _log.warning(
                '%s: the server sets the rate; the frame rate of %g is not used',
                shown(uri),
                frame_rate,
            )

        self._video_decoder = video_decoder
        self._told: str | None = None

        def connect(_cancelled: threading.Event) -> Grabber:
            _check_reachable(uri, read_timeout_s)
            timeout_s = open_timeout_s, read_timeout_s
            return self._opened(uri, size_wh, timeout_s, max_image_pixels, native=native)

        # The limits in the thread come first, so that it does not outlive these.
        super().__init__(
            uri,
            connect,
            open_timeout_s=open_timeout_s + 2 * read_timeout_s + 1,
            read_timeout_s=read_timeout_s + 1,
        )

    def _opened(
        self,
        url: str,
        size_wh: tuple[int, int] | None,
        timeout_s: tuple[float, float],
        max_image_pixels: int,
        *,
        native: bool,
    ) -> Grabber:
        """What has the GPU decode or, where that is not wanted or it cannot, the CPU."""
        wanted = self._video_decoder
        if wanted == 'cpu' or self._told:
            return _RtspGrabber(url, size_wh, timeout_s, max_image_pixels)
        from jetson_perception.camera.gpu_rtsp import GpuRtspGrabber
        from jetson_perception.camera.video_packets import PyavError

        problem = ''
        try:
            made: Grabber = GpuRtspGrabber(
                url, self.uri, wanted, size_wh, timeout_s, max_image_pixels, native=native
            )
        except (CudaError, PyavError) as error:
            problem = str(error)
        except SourceError as error:
            raise SourceError(f'{_why_not(url, timeout_s[1])}; {error}') from None
        if problem:
            # Where the CPU fails as well, it was not for the GPU, which is tried again.
            made = _RtspGrabber(url, size_wh, timeout_s, max_image_pixels)
        if self._told is None or problem:
            tell_decoder(self.uri, wanted, problem)
        self._told = problem
        return made


class _RtspGrabber:
    encoding = 'bgr8'

    def __init__(
        self,
        url: str,
        size_wh: tuple[int, int] | None,
        timeout_s: tuple[float, float],
        max_image_pixels: int,
    ) -> None:
        open_timeout_s, read_timeout_s = timeout_s
        self._shown = shown(url)
        self._size_wh = size_wh
        self._read_timeout_s = read_timeout_s
        self._fits = size_wh is None
        self._decoded: NDArray[np.uint8] | None = None
        quiet_ffmpeg()
        parameters = _open_parameters(open_timeout_s, read_timeout_s)
        self._capture: Any = cv2.VideoCapture(url, cv2.CAP_FFMPEG, parameters)
        if not self._capture.isOpened():
            self._capture.release()
            raise SourceError(_why_not(url, read_timeout_s))
        try:
            check_video_size(self._capture, self._shown, max_image_pixels)
        except SourceError:
            self._capture.release()
            raise

    def grab(self, out: NDArray[np.uint8] | None) -> tuple[NDArray[np.uint8], int]:
        if not self._capture.grab():
            raise SourceError(
                f'{self._shown}: the server ended the stream, or sent nothing for '
                f'{self._read_timeout_s:g} s'
            )
        arrived_ns = time.time_ns()
        usable, pixels = self._capture.retrieve(out if self._fits else self._decoded)
        if not usable:
            raise SourceError(f'{self._shown}: a frame could not be decoded')
        self._fits = self._size_wh is None or pixels.shape[1::-1] == self._size_wh
        if self._fits:
            return pixels, arrived_ns
        self._decoded = pixels
        return resized(pixels, self._size_wh, None if out is pixels else out), arrived_ns

    def interrupt(self) -> None:
        """Nothing: FFmpeg ends a read by its own timeout."""

    def release(self) -> None:
        self._capture.release()


def _open_parameters(open_timeout_s: float, read_timeout_s: float) -> list[int]:
    """Properties that must be set at opening, as far as this OpenCV has them (4.5.2 or later)."""
    wanted = {
        'CAP_PROP_OPEN_TIMEOUT_MSEC': round(open_timeout_s * 1000),
        'CAP_PROP_READ_TIMEOUT_MSEC': round(read_timeout_s * 1000),
        'CAP_PROP_N_THREADS': 1,
    }
    return [
        number
        for name, value in wanted.items()
        if hasattr(cv2, name)
        for number in (getattr(cv2, name), value)
    ]


def _check_reachable(url: str, timeout_s: float) -> None:
    """Connect once, because OpenCV does not say why it failed."""
    try:
        socket.create_connection(host_and_port(url), timeout_s).close()
    # UnicodeError: the host is not a valid domain name. Its text quotes the host, which may be
    # part of a password, so neither error has a cause.
    except (OSError, UnicodeError) as err:
        reason = err.strerror if isinstance(err, OSError) else 'no name of a host'
        where, advice = (
            address(url) or 'its host',
            'is the camera on, and are address and port right?',
        )
        if '@' in urlsplit(url)._replace(netloc='').geturl():  # maybe of a password that was split
            advice = f'{advice} Or {ESCAPES}'
        raise SourceError(
            f'{shown(url)}: no connection to {where} ({reason or "it timed out"}); {advice}'
        ) from None


def _why_not(url: str, timeout_s: float) -> str:
    """The server's response when asked to describe the stream, as text."""
    name = shown(url)
    answer = DescribeAnswer() if url.lower().startswith('rtsps') else describe(url, timeout_s)
    if answer.status == 401:
        return f'{name}: {_about_login(url, answer)}'
    if answer.status == 403:
        who = 'the user that was given' if urlsplit(url).username else 'those who give no user'
        return f"{name}: the server forbids the stream to {who} (403); see the camera's settings"
    if answer.status in (404, 454):
        return f"{name}: the server has no such stream; check the path in the camera's manual"
    if answer.status == 200:
        return f'{name}: the server has the stream, but OpenCV cannot decode or receive it'
    if answer.status:
        said = str(answer.status)
        if not quotes_secret(answer.phrase, url):
            said = f'{said} {printable(answer.phrase)}'.rstrip()
        return f'{name}: the server refuses the stream: {said}'
    return f'{name}: something listens there, but does not answer as an RTSP server'


def _about_login(url: str, answer: DescribeAnswer) -> str:
    if urlsplit(url).username is None:
        return 'the server wants a user and a password, and none are given'
    if answer.schemes and not answer.logged_in:
        ways = ', '.join(answer.schemes)
        if quotes_secret(ways, url):
            return 'the server wants a login of a kind other than Basic or Digest'
        return f'the server wants a login by {printable(ways)}; expected Basic or Digest'
    return 'the server wants a user and a password, and these are wrong'
