"""`scene://`: a rendered scene as a camera, with the truth beside every frame."""

from __future__ import annotations

import math
import threading
import time
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl

import numpy as np

from jetson_perception.camera.frame_buffers import FrameBuffers
from jetson_perception.camera.frame_rates import MAX_RATE_HZ, MIN_RATE_HZ, is_frame_rate
from jetson_perception.camera.pace import Pace, Pacer
from jetson_perception.camera.scene_kinds import scene_kind
from jetson_perception.camera.shown import shown
from jetson_perception.camera.source import CapturedFrame, unless_busy
from jetson_perception.camera.video_size import require_frame_size
from jetson_perception.errors import EndOfStream, SourceError
from jetson_perception.images.picture_header import MAX_IMAGE_PIXELS
from jetson_perception.printable import counted, quoted

if TYPE_CHECKING:
    from collections.abc import Callable

    from jetson_perception.camera.scene_kinds import Scene

_DEFAULT_SIZE_WH = (1280, 720)
_DEFAULT_RATE = 30.0
_MOST_DIGITS = 18
_KEYS = ('width', 'height', 'fps', 'seed', 'frames')


class SceneSource:
    """A rendered scene; by default it acts as a camera, whose frames are on time or skipped.

    Frame n shows the scene at n / fps seconds. At the pace of a camera, a frame that nobody reads
    in time is skipped: `read` waits for the next one that is due.

    Parameters
    ----------
    uri : str
        `scene://oranges?width=1280&height=720&fps=30&seed=3&frames=300`, or `scene://people`.
        Every key is optional: `fps=0` renders as fast as frames are read, a thirtieth of a second
        apart; `frames` ends the source after that many frames, skipped ones included.
    size_wh : tuple of int, optional
        Width and height for a URI without them; 1280 × 720 if None.
    frame_rate : float, optional
        Frames a second for a URI without `fps`; 30 if None.
    max_image_pixels : int
        A larger size is refused.
    pace : Pace
        Whether frames may be skipped, and are waited for.
    clock_s : callable
        Seconds of a clock that only goes forward.

    Attributes
    ----------
    uri, live, rate_hz, frame_count, truth_class_names
        As `FrameSource` says; with `frames`, or where none is skipped, it is not live.

    Raises
    ------
    SourceError
        When the URI names no scene that is installed, or has an unknown key or value, or one out
        of range.
    """

    def __init__(
        self,
        uri: str,
        *,
        size_wh: tuple[int, int] | None = None,
        frame_rate: float | None = None,
        max_image_pixels: int = MAX_IMAGE_PIXELS,
        pace: Pace = Pace.LIVE,
        clock_s: Callable[[], float] = time.monotonic,
    ) -> None:
        self.uri = shown(uri)
        name, query = _split(uri)
        self._kind = scene_kind(name)
        self.truth_class_names = self._kind.class_names
        default_w, default_h = size_wh or _DEFAULT_SIZE_WH
        self._size_wh = (
            _whole(self.uri, query, 'width', default_w, self._kind.min_size_wh[0]),
            _whole(self.uri, query, 'height', default_h, self._kind.min_size_wh[1]),
        )
        self._rate = _rate(self.uri, query, _DEFAULT_RATE if frame_rate is None else frame_rate)
        self._seed = _whole(self.uri, query, 'seed', 3, 0)
        self.frame_count = _whole(self.uri, query, 'frames', 0, 1) if 'frames' in query else 0
        require_frame_size(self.uri, self._size_wh, max_image_pixels)
        self.live = pace is Pace.LIVE and not self.frame_count
        self.rate_hz = self._rate or _DEFAULT_RATE
        self._pace = pace
        self._clock_s = clock_s
        self._pacer = Pacer(0)
        self._lock = threading.Lock()
        self._closed = threading.Event()
        self._scene: Scene | None = None
        self._pictures, self._masks = FrameBuffers(), FrameBuffers()
        self._next = 0
        self._start_s: float | None = None

    def open(self) -> None:
        """Build the scene, which takes seconds; it starts from its first frame.

        Raises
        ------
        SourceError
            When it is closed in the meantime.
        """
        self.close()
        self._closed.clear()
        with self._lock:
            scene = self._kind.make(self._size_wh, self._seed)
            scene.prepare(self._closed)
            if self._closed.is_set():
                raise SourceError(f'{self.uri} was closed while it was being opened')
            self._scene = scene
            self._next = 0
            self._start_s = None
            self._pacer = Pacer(self._rate if self._pace is Pace.EVERY_FRAME else 0, self._clock_s)

    def read(self) -> CapturedFrame:
        """The next frame that is due, with its truth.

        Raises
        ------
        EndOfStream
            After the last frame, when the URI limits them.
        SourceError
            When the source is not open.
        """
        with self._lock:
            scene = self._scene
            if scene is None:
                raise SourceError(f'{self.uri} is not open; call open() first')
            index = self._wait_for_due_frame()
            if self._closed.is_set():
                raise SourceError(f'{self.uri} was closed')
            width, height = self._size_wh
            buffers = self._pictures.take((height, width, 3)), self._masks.take((height, width))
            pixels, truth = scene.frame(index / self.rate_hz, buffers)
            self._next = index + 1
            # A picture is stamped when it is complete, as drivers do.
            captured_ns = time.time_ns()
            if isinstance(truth, np.ndarray):
                return CapturedFrame(pixels, captured_ns, truth_mask=truth, index=index)
            detections = truth.detections()
            return CapturedFrame(pixels, captured_ns, truth_detections=detections, index=index)

    def close(self) -> None:
        """Drop the scene; a waiting `read` ends at once, an `open` soon."""
        self._closed.set()
        with unless_busy(self._lock) as free:
            if free:
                self._scene = None

    def _wait_for_due_frame(self) -> int:
        """Index of the frame to render now."""
        index = self._next
        skipping = self._pace is Pace.LIVE and self._rate > 0
        if skipping:
            # The schedule never moves, so nothing drifts.
            now_s = self._clock_s()
            if self._start_s is None:
                self._start_s = now_s
            # A frame may be rendered until the next one is due.
            index = max(index, math.floor((now_s - self._start_s) * self._rate + 1e-6))
            due_s = self._start_s + index / self._rate
        if 0 < self.frame_count <= index:
            raise EndOfStream(f'{self.uri} ended after {counted(self.frame_count, "frame")}')
        if not skipping:
            self._pacer.wait(self._closed)
        elif due_s > now_s:
            self._closed.wait(due_s - now_s)
        return index


def _split(uri: str) -> tuple[str, dict[str, str]]:
    """Name of the scene and the query's keys, each checked to be known and given once."""
    rest = uri.partition('://')[2]
    name, _, query = rest.partition('?')
    pairs = parse_qsl(query, keep_blank_values=True)
    keys: dict[str, str] = {}
    for key, value in pairs:
        if key not in _KEYS:
            raise SourceError(
                f'{shown(uri)}: unknown key {quoted(key, 40)}; keys are {", ".join(_KEYS)}'
            )
        if key in keys:
            raise SourceError(f'{shown(uri)}: {key} is given twice; give it once')
        keys[key] = value
    return name.strip('/'), keys


def _whole(uri: str, query: dict[str, str], key: str, default: Any, least: int) -> int:
    text = query.get(key)
    value = int(default) if text is None else _int(uri, key, text)
    if value < least:
        raise SourceError(f'{uri}: {key} is {value}; expected at least {least}')
    return value


def _int(uri: str, key: str, text: str) -> int:
    try:
        if len(text) <= _MOST_DIGITS:
            return int(text)
    except ValueError:
        pass
    raise SourceError(
        f'{uri}: {key} is {quoted(text, 40)}; expected a whole number of at most '
        f'{_MOST_DIGITS} digits'
    )


def _rate(uri: str, query: dict[str, str], default: float) -> float:
    text = query.get('fps')
    if text is None:
        return default
    try:
        rate = float(text)
    except ValueError as err:
        raise SourceError(f'{uri}: fps is {quoted(text, 40)}; expected frames a second') from err
    if not is_frame_rate(rate):
        raise SourceError(
            f'{uri}: fps is {rate:g}; expected frames a second, {MIN_RATE_HZ:g} to '
            f'{MAX_RATE_HZ:g}, or 0'
        )
    return rate
