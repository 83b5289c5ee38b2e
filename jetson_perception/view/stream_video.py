"""The videos of one stream that is recorded: such as browsers play, where there is an encoder."""

from __future__ import annotations

import logging
import re
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

from jetson_perception.commands.recording import write_video
from jetson_perception.errors import ImageError, ParameterError
from jetson_perception.images.encodings import decode_compressed
from jetson_perception.images.picture_header import MAX_IMAGE_PIXELS
from jetson_perception.printable import printable

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from jetson_perception.commands.recording import VideoFile
    from jetson_perception.view.robot import Picture

log = logging.getLogger(__name__)

#: Pictures by whose times the rate is known, before a video is begun: OpenCV's encoders have no
#: other time.
_HELD = 10
_RATES = (1.0, 120.0)
#: Streams of two cameras on one topic would make a video of each picture.
_MOST_VIDEOS = 20
_MOST_NAME = 100
_SMALLEST = 2  # pixels of a side that a video can have


def video_names(topics: list[str]) -> dict[str, str]:
    """A name for the video of each stream, without a suffix: seg_annotated for /seg/annotated."""
    names: dict[str, str] = {}
    for topic in topics:
        plain = re.sub('[^A-Za-z0-9_]', '_', topic.strip('/'))[:_MOST_NAME]
        name, number = plain, 1
        while name in names.values():
            number += 1
            name = f'{plain}_{number}'
        names[topic] = name
    return names


class StreamVideo:
    """Writes the pictures of one stream; used by one thread at a time.

    Another size of pictures begins another video.

    Parameters
    ----------
    folder : Path
        Where to, which has nothing of this name.
    name : str
        The file's, without a suffix.
    note : callable
        Is told of each picture that was written, and of when it came: its video and its number
        there.
    """

    def __init__(
        self, folder: Path, name: str, note: Callable[[dict[str, Any], float], None]
    ) -> None:
        self._folder = folder
        self._name = name
        self._note = note
        self._held: list[tuple[Picture, float]] = []
        self._rate = 0.0
        self._video: VideoFile | None = None
        self._videos = 0
        self._size_wh = (0, 0)
        self._open = ExitStack()

    def add(self, picture: Picture, at_s: float) -> None:
        """Append a picture that came at a time, seconds.

        One that is damaged, or smaller than a video can be, is left out.

        Raises
        ------
        ParameterError
            When it cannot be written: the disk is full, or not writable.
        """
        if self._rate:
            self._write(picture, at_s)
            return
        self._held.append((picture, at_s))
        if len(self._held) == _HELD:
            self._begin()

    def close(self) -> None:
        """Complete the file.

        Raises
        ------
        ParameterError
            When its frames cannot be read.
        """
        try:
            if self._held:
                self._begin()
        finally:
            self._open.close()

    def _begin(self) -> None:
        held, self._held = self._held, []
        passed_s = held[-1][1] - held[0][1]
        rate = (len(held) - 1) / passed_s if passed_s > 0 else _HELD
        self._rate = min(max(rate, _RATES[0]), _RATES[1])
        for picture, at_s in held:
            self._write(picture, at_s)

    def _write(self, picture: Picture, at_s: float) -> None:
        try:
            bgr = decode_compressed(picture.data, picture.content_type, MAX_IMAGE_PIXELS)
        except ImageError as error:
            log.debug('a picture of %s is not recorded: %s', self._name, error)
            return
        height, width = bgr.shape[:2]
        if min(width, height) < _SMALLEST:
            log.debug('a picture of %s is not recorded: %dx%d', self._name, width, height)
            return
        if self._video is None or self._size_wh != (width, height):
            self._video = self._opened((width, height))
        number = self._video.frames
        self._video.write(bgr, at_s)
        told = {'annotated': self._video.path.name, 'frame': number, 'stamp_ns': picture.stamp_ns}
        self._note(told, at_s)

    def _opened(self, size_wh: tuple[int, int]) -> VideoFile:
        """Another video, of this size."""
        self._open.close()
        self._videos += 1
        if self._videos > _MOST_VIDEOS:
            raise ParameterError(
                f'the pictures of {printable(self._name)} changed their size {_MOST_VIDEOS} '
                'times; is there more than one that publishes them?'
            )
        self._size_wh = size_wh
        # No stream's name has a hyphen, so this is no other stream's video.
        number = f'-{self._videos}' if self._videos > 1 else ''
        path = self._folder / f'{self._name}{number}.mp4'
        return self._open.enter_context(write_video(path, size_wh, self._rate))
