"""`v4l2://`: cameras of the Linux kernel (USB, HDMI capture, virtual), through OpenCV."""

from __future__ import annotations

import errno
import logging
import os
import time
from pathlib import Path
from stat import S_ISCHR
from typing import TYPE_CHECKING, Any

import cv2

from jetson_perception.camera.live import LiveSource, wall_clock_ns
from jetson_perception.camera.shown import shown
from jetson_perception.camera.uri import parse
from jetson_perception.camera.v4l2_native import NativeFrames
from jetson_perception.camera.video_size import check_video_size
from jetson_perception.errors import ParameterError, SourceError
from jetson_perception.files.native_paths import native_path
from jetson_perception.images.picture_header import MAX_IMAGE_PIXELS
from jetson_perception.printable import quoted

if TYPE_CHECKING:
    import threading
    from collections.abc import Callable

    import numpy as np
    from numpy.typing import NDArray

_log = logging.getLogger(__name__)
_BROKEN_IN_A_ROW = 10


class V4l2Source(LiveSource):
    """A Video4Linux2 camera.

    Parameters
    ----------
    uri : str
        `v4l2:///dev/video0`, or a lasting name such as `v4l2:///dev/v4l/by-id/usb-…`.
    size_wh : tuple of int, optional
        Width and height to ask the camera for; its default if not given. A camera that gives
        another size is used as it is, and the log says so.
    frame_rate : float, optional
        Rate to ask for; its default if None or 0.
    pixel_format : str
        Four characters to ask for, such as MJPG or YUYV; the driver's default if empty.
    max_image_pixels : int
        A camera that gives larger frames is refused.
    native : bool
        Leave frames as the camera gives them, where that is YUYV, UYVY, NV12, NV21, GREY or MJPG;
        else they become bgr8.
    capture : callable
        Makes the object that captures; for tests.

    Raises
    ------
    ParameterError
        When pixel_format has no four characters.
    """

    def __init__(
        self,
        uri: str,
        *,
        size_wh: tuple[int, int] | None = None,
        frame_rate: float | None = None,
        pixel_format: str = '',
        max_image_pixels: int = MAX_IMAGE_PIXELS,
        native: bool = False,
        capture: Callable[[], Any] = cv2.VideoCapture,
    ) -> None:
        if len(pixel_format) not in (0, 4) or not pixel_format.isascii():
            raise ParameterError(
                f'pixel_format is {quoted(pixel_format)}; expected four characters such as MJPG '
                "or YUYV, or '' for the driver's default",
                'pixel_format',
            )
        device = parse(uri).target

        def connect(_cancelled: threading.Event) -> _V4l2Grabber:
            check_device(device)
            native_path(device, what='device', error=SourceError)
            opened = capture()
            grabber = _V4l2Grabber(device, opened, size_wh, frame_rate, pixel_format)
            try:
                check_video_size(opened, device, max_image_pixels)
            except SourceError:
                grabber.release()
                raise
            if native:
                grabber.leave_as_it_is()
            return grabber

        super().__init__(uri, connect)


def check_device(device: str) -> None:
    """Nothing, if the device is there and may be used.

    Raises
    ------
    SourceError
        What is wrong with it, and what to do.
    """
    try:
        mode = os.stat(device).st_mode
        if not S_ISCHR(mode):
            raise SourceError(
                f'{shown(device)} is not a device; for a video file, use {shown(f"file://{device}")}'
            )
        os.close(os.open(device, os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC))
    except FileNotFoundError as err:
        raise SourceError(f'there is no {shown(device)}; {_devices_there_are()}') from err
    except PermissionError as err:
        raise SourceError(
            f'{device} is not accessible to this user; sudo usermod -aG video "$USER", then log '
            'in again (in a container: --group-add video)'
        ) from err
    except OSError as err:
        if err.errno == errno.EBUSY:
            text = f'{device} is in use by another program; fuser -v {device} names it'
        elif err.errno in (errno.ENODEV, errno.ENXIO):
            text = f'{device} is there, but no camera behind it; is it still plugged in?'
        else:
            text = f'{device} cannot be opened: {err.strerror}'
        raise SourceError(text) from err


def _devices_there_are() -> str:
    found = []
    for device in sorted(Path('/dev').glob('video*')):
        name_file = Path('/sys/class/video4linux') / device.name / 'name'
        name = (
            name_file.read_text('utf-8', 'replace').strip() if name_file.is_file() else 'unknown'
        )
        found.append(f'{device} ({name})')
    if found:
        return f'devices here are {", ".join(found)}'
    return (
        'this machine has no video device: plug the camera in, or give the container '
        '--device /dev/video0'
    )


class _V4l2Grabber:
    encoding = 'bgr8'

    def __init__(
        self,
        device: str,
        capture: Any,
        size_wh: tuple[int, int] | None,
        frame_rate: float | None,
        pixel_format: str,
    ) -> None:
        self._device = device
        self._capture = capture
        #: What frames are that are not converted; None while they are.
        self._native: NativeFrames | None = None
        self._given = False
        if not capture.open(device, cv2.CAP_V4L2):
            capture.release()
            raise SourceError(
                f'{device} gives OpenCV no video: it is in use by another program '
                f'(fuser -v {device} names it), or it is the second device of a camera, with '
                f'metadata only; {_devices_there_are()}'
            )
        # Set the format first: sizes and rates depend on it.
        if pixel_format:
            capture.set(cv2.CAP_PROP_FOURCC, int.from_bytes(pixel_format.encode(), 'little'))
        if size_wh is not None:
            capture.set(cv2.CAP_PROP_FRAME_WIDTH, size_wh[0])
            capture.set(cv2.CAP_PROP_FRAME_HEIGHT, size_wh[1])
        if frame_rate:
            capture.set(cv2.CAP_PROP_FPS, frame_rate)
        capture.set(cv2.CAP_PROP_BUFFERSIZE, 1)
        self._report(size_wh, frame_rate, pixel_format)

    def grab(self, out: NDArray[np.uint8] | None) -> tuple[NDArray[np.uint8], int]:
        # Cameras sometimes send a broken picture, mostly right after the start.
        for _ in range(_BROKEN_IN_A_ROW):
            if not self._capture.grab():
                raise SourceError(f'{self._device} gave no more frames; was it unplugged?')
            arrived_ns = time.time_ns()
            driver_ns = int(self._capture.get(cv2.CAP_PROP_POS_MSEC) * 1e6)
            usable, pixels = self._capture.retrieve(out)
            if usable and self._native is not None:
                pixels = self._as_it_is(pixels)
                usable = pixels is not None
            if usable:
                return pixels, wall_clock_ns(driver_ns) or arrived_ns
        raise SourceError(
            f'{self._device} gave {_BROKEN_IN_A_ROW} broken frames in a row; try another '
            'pixel_format, cable or port'
        )

    def leave_as_it_is(self) -> None:
        """Have OpenCV convert nothing, where what the camera gives has a name in ROS."""
        native = NativeFrames(self._format, self._size_wh)
        if native.encoding and self._capture.set(cv2.CAP_PROP_CONVERT_RGB, 0):
            self._native, self.encoding = native, native.encoding

    def _as_it_is(self, pixels: NDArray[np.uint8]) -> NDArray[np.uint8] | None:
        """A frame that was not converted; None for a broken one, or where the first is none."""
        assert self._native is not None, 'as nothing is converted'
        frame = self._native.checked(pixels)
        if frame is None and not self._given:
            _log.warning(
                '%s: frames of %s come as %s %s, which is not understood; they are converted to '
                'bgr8',
                *(self._device, self._format, pixels.dtype, pixels.shape),
            )
            self._native, self.encoding = None, 'bgr8'
            self._capture.set(cv2.CAP_PROP_CONVERT_RGB, 1)
        self._given = self._given or frame is not None
        return frame

    def interrupt(self) -> None:
        """Nothing: a grab ends with the next frame, or with OpenCV's own limit of 10 s."""

    def release(self) -> None:
        self._capture.release()

    def _report(
        self, size_wh: tuple[int, int] | None, frame_rate: float | None, pixel_format: str
    ) -> None:
        width = int(self._capture.get(cv2.CAP_PROP_FRAME_WIDTH))
        height = int(self._capture.get(cv2.CAP_PROP_FRAME_HEIGHT))
        rate = self._capture.get(cv2.CAP_PROP_FPS)
        code = int(self._capture.get(cv2.CAP_PROP_FOURCC)) & 0xFFFFFFFF
        given_format = code.to_bytes(4, 'little').decode('ascii', 'replace').rstrip('\0 ')
        self._format, self._size_wh = given_format, (width, height)
        _log.info('%s: %dx%d, %g Hz, %s', self._device, width, height, rate, given_format)
        if size_wh is not None and size_wh != (width, height):
            _log.warning(
                '%s gives %dx%d, not the %dx%d asked for; v4l2-ctl -d %s --list-formats-ext '
                'lists what it can',
                *(self._device, width, height, *size_wh, self._device),
            )
        if pixel_format and given_format != pixel_format:
            _log.warning(
                '%s gives %s, not the %s asked for', self._device, given_format, pixel_format
            )
        if frame_rate and 0 < rate < 0.95 * frame_rate:
            _log.warning(
                '%s gives %g Hz, not the %g Hz asked for; %s',
                *(self._device, rate, frame_rate),
                'pixel_format MJPG is faster on most USB cameras'
                if given_format != 'MJPG'
                else 'a smaller size may be faster',
            )
