"""`rtsp://`: streams of network cameras, through OpenCV's FFmpeg."""

from __future__ import annotations

import logging
import re
import socket
import time
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import cv2

from jetson_perception.camera.live import LiveSource
from jetson_perception.camera.native_output import quiet_ffmpeg
from jetson_perception.camera.resizing import resized
from jetson_perception.camera.shown import address, quotes_secret, shown
from jetson_perception.camera.uri import ESCAPES
from jetson_perception.camera.video_size import check_video_size
from jetson_perception.errors import SourceError
from jetson_perception.images.picture_header import MAX_IMAGE_PIXELS
from jetson_perception.printable import printable

if TYPE_CHECKING:
    import threading

    import numpy as np
    from numpy.typing import NDArray

_log = logging.getLogger(__name__)
_DEFAULT_PORT = {'rtsp': 554, 'rtsps': 322}


class RtspSource(LiveSource):
    """A stream from an RTSP server, over TCP; always the newest frame.

    OpenCV's FFmpeg prefers TCP by itself; the environment variable OPENCV_FFMPEG_CAPTURE_OPTIONS
    changes that (`rtsp_transport;udp`). It decodes on one thread of the CPU, since each more
    holds a frame back; a stream that is too large for that, and the decoder in a Jetson's
    hardware, are reached with `gst://rtspsrc location=… ! rtph264depay ! h264parse !
    nvv4l2decoder ! nvvidconv ! video/x-raw`.

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
    ) -> None:
        if frame_rate:
            _log.warning(
                '%s: the server sets the rate; the frame rate of %g is not used',
                *(shown(uri), frame_rate),
            )

        def connect(_cancelled: threading.Event) -> _RtspGrabber:
            return _RtspGrabber(uri, size_wh, open_timeout_s, read_timeout_s, max_image_pixels)

        # The limits in the thread come first, so that it does not outlive these.
        super().__init__(
            uri,
            connect,
            open_timeout_s=open_timeout_s + 2 * read_timeout_s + 1,
            read_timeout_s=read_timeout_s + 1,
        )


class _RtspGrabber:
    def __init__(
        self,
        url: str,
        size_wh: tuple[int, int] | None,
        open_timeout_s: float,
        read_timeout_s: float,
        max_image_pixels: int,
    ) -> None:
        self._shown = shown(url)
        self._size_wh = size_wh
        self._read_timeout_s = read_timeout_s
        self._fits = size_wh is None
        self._decoded: NDArray[np.uint8] | None = None
        _check_reachable(url, read_timeout_s)
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


def _address(url: str) -> tuple[str, int]:
    parts = urlsplit(url)
    return parts.hostname or '', parts.port or _DEFAULT_PORT[parts.scheme.lower()]


def _check_reachable(url: str, timeout_s: float) -> None:
    """Connect once, because OpenCV does not say why it failed."""
    try:
        socket.create_connection(_address(url), timeout_s).close()
    # UnicodeError: the host is not a valid domain name. Its text quotes the host, which may be
    # part of a password, so neither error has a cause.
    except (OSError, UnicodeError) as err:
        reason = err.strerror if isinstance(err, OSError) else 'no name of a host'
        where, advice = address(url), 'is the camera on, and are address and port right?'
        if not where:
            where, advice = 'its host', f'{advice} Or {ESCAPES}'
        raise SourceError(
            f'{shown(url)}: no connection to {where} ({reason or "it timed out"}); {advice}'
        ) from None


def _why_not(url: str, timeout_s: float) -> str:
    """The server's response when asked to describe the stream, as text."""
    name = shown(url)
    if url.lower().startswith('rtsps'):
        status, phrase = 0, ''
    else:
        status, phrase = _describe(url, timeout_s)
    if status in (401, 403):
        given = 'these are wrong' if urlsplit(url).username else 'none are given'
        return f'{name}: the server wants a user and a password, and {given}'
    if status in (404, 454):
        return f"{name}: the server has no such stream; check the path in the camera's manual"
    if status == 200:
        return f'{name}: the server has the stream, but OpenCV cannot decode or receive it'
    if status:
        answer = str(status) if quotes_secret(phrase, url) else f'{status} {printable(phrase)}'
        return f'{name}: the server refuses the stream: {answer.rstrip()}'
    return f'{name}: something listens there, but does not answer as an RTSP server'


def _describe(url: str, timeout_s: float) -> tuple[int, str]:
    """Status and phrase of the answer to DESCRIBE (RFC 2326, 10.2); 0 for no such answer."""
    parts = urlsplit(url)
    bare = parts._replace(netloc=parts.netloc.rpartition('@')[2]).geturl()
    request = f'DESCRIBE {bare} RTSP/1.0\r\nCSeq: 1\r\nAccept: application/sdp\r\n\r\n'
    try:
        with socket.create_connection(_address(url), timeout_s) as connection:
            connection.settimeout(timeout_s)
            connection.sendall(request.encode())
            return status_of(connection.makefile('rb').readline(1000))
    except (OSError, UnicodeError):
        return 0, ''


def status_of(line: bytes) -> tuple[int, str]:
    r"""Status and phrase in the first line of an RTSP answer (RFC 2326, 7.1); 0 if it is none.

    Examples
    --------
    >>> status_of(b'RTSP/1.0 453 Not Enough Bandwidth\r\n')
    (453, 'Not Enough Bandwidth')
    """
    match = re.fullmatch(rb'RTSP/\d\.\d +(\d{3})(?: (.*))?', line.rstrip(), re.DOTALL)
    if match is None:
        return 0, ''
    return int(match[1]), (match[2] or b'').decode('utf-8', 'replace')
