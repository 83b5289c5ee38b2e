"""From a URI to the source that it names."""

from __future__ import annotations

import logging
from importlib import import_module
from typing import TYPE_CHECKING

from jetson_perception.camera.frame_rates import MAX_RATE_HZ, MIN_RATE_HZ, is_frame_rate
from jetson_perception.camera.pace import Pace
from jetson_perception.camera.schemes import SCHEMES
from jetson_perception.camera.uri import parse
from jetson_perception.errors import ParameterError
from jetson_perception.images.picture_header import MAX_IMAGE_PIXELS
from jetson_perception.images.pixel_limit import limit_in_words

if TYPE_CHECKING:
    import os

    from jetson_perception.camera.source import FrameSource

_log = logging.getLogger(__name__)


def open_source(
    uri: str | int | os.PathLike[str],
    *,
    size_wh: tuple[int, int] | None = None,
    frame_rate: float | None = None,
    loop: bool = False,
    pixel_format: str = '',
    max_image_pixels: int = MAX_IMAGE_PIXELS,
    pace: Pace = Pace.LIVE,
    native: bool = False,
    video_decoder: str = 'cpu',
) -> FrameSource:
    """The source that a URI names, checked but not opened: its `open` does that.

    Parameters
    ----------
    uri : str, int or path-like
        See `jetson_perception.camera.uri.parse`.
    size_wh : tuple of int, optional
        Width and height of the frames; the source's own if not given. Cameras are asked for it,
        everything else is scaled to it.
    frame_rate : float, optional
        Frames a second; the source's own if None. 0 plays files as fast as they are read.
        Without meaning for what is read offline.
    loop : bool
        Files and pictures begin again at their end; without meaning for other sources.
    pixel_format : str
        What to ask a v4l2 camera for, such as MJPG; others do not use it, and the log says so.
    max_image_pixels : int
        A larger picture of a folder is skipped; a video, stream or scene whose frames are larger
        is refused, and so is a larger size_wh.
    pace : Pace
        Whether the source waits for its reader, and its reader for frames to be due.
    native : bool
        Leave frames in the encoding in which a camera or pipeline gives them, where that is one
        of `images.encodings.ENCODINGS`; else all are bgr8. Frames that a GPU decoded stay there.
    video_decoder : str
        Who decodes H.264 and H.265 of files and RTSP streams, one of `VIDEO_DECODERS`: 'auto' and
        'gpu' have NVDEC do it where they can, as that is documented with the nodes' parameter.

    Raises
    ------
    ParameterError
        When size_wh, frame_rate or pixel_format cannot be used.
    SourceError
        When the URI cannot.
    """
    _check(size_wh, frame_rate, max_image_pixels)
    source = parse(uri)
    scheme = SCHEMES[source.scheme]
    text = source.target if source.scheme == 'rtsp' else f'{source.scheme}://{source.target}'
    if pixel_format and source.scheme != 'v4l2':
        _log.warning(
            '%s: pixel_format applies to v4l2:// only; %s is not used', source, pixel_format
        )
    if pace is Pace.OFFLINE and scheme.reads_offline:
        frame_rate = 0.0
    settings = {
        'size_wh': size_wh,
        'frame_rate': frame_rate,
        'loop': loop,
        'pixel_format': pixel_format,
        'max_image_pixels': max_image_pixels,
        'pace': pace,
        'every_frame': pace is not Pace.LIVE,
        'native': native,
        'video_decoder': video_decoder,
    }
    module = import_module(f'jetson_perception.camera.{scheme.module}')
    made: FrameSource = getattr(module, scheme.class_name)(
        text, **{name: settings[name] for name in scheme.settings}
    )
    return made


def _check(
    size_wh: tuple[int, int] | None, frame_rate: float | None, max_image_pixels: int
) -> None:
    if size_wh is not None and (len(size_wh) != 2 or min(size_wh) < 1):
        raise ParameterError(
            f'the size is {size_wh}; expected width and height of at least 1 pixel', 'size_wh'
        )
    if size_wh is not None and size_wh[0] * size_wh[1] > max_image_pixels:
        raise ParameterError(
            f'the size is {size_wh[0]}×{size_wh[1]} pixels; {limit_in_words(max_image_pixels)}',
            'size_wh',
        )
    if frame_rate is not None and not is_frame_rate(frame_rate):
        raise ParameterError(
            f'the frame rate is {frame_rate:g}; expected frames per second, {MIN_RATE_HZ:g} to '
            f'{MAX_RATE_HZ:g}, or 0',
            'frame_rate',
        )
