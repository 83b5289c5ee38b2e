"""Results as JSON records, and as annotated pictures and videos in a folder."""

from __future__ import annotations

import hashlib
import io
import itertools
import json
import logging
import os
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from jetson_perception.camera.named_frames import source_files
from jetson_perception.commands.recording import write_video
from jetson_perception.commands.video_codecs import CODECS
from jetson_perception.errors import ParameterError
from jetson_perception.files.line_file import LineFile
from jetson_perception.files.output_files import unwritable, write_output
from jetson_perception.images.picture_files import write_picture
from jetson_perception.printable import printable
from jetson_perception.process.interrupts import interrupted_after

if TYPE_CHECKING:
    from collections.abc import Iterable

    from numpy.typing import NDArray

    from jetson_perception.camera.named_frames import NamedFrame
    from jetson_perception.commands.recording import VideoFile
    from jetson_perception.models import Model

_log = logging.getLogger('jetson_perception')

_LONGEST_JPEG_SIDE = 65_500  # of libjpeg, and of Motion JPEG, which takes the largest videos
_LONGEST_PNG_SIDE = 1_000_000  # of libpng
_SHORTEST_VIDEO_SIDE = 2  # pixels share their colors by twos
_MOST_NAME_BYTES = 255  # of most file systems
# What comes to a stem: two numbers, `_mask.png`, and `.part` while an index is put first.
_BYTES_BESIDE_STEM = 31


def result_record(frame: NamedFrame, model: Model[Any, Any], result: Any) -> dict[str, Any]:
    """A frame and what was found in it, in JSON's types."""
    height, width = frame.bgr.shape[:2]
    record: dict[str, Any] = {
        'source': frame.source,
        'frame': frame.index,
        'width': width,
        'height': height,
    }
    if frame.rate_hz:
        record['time_s'] = frame.offset_ns / 1e9
    if frame.stamp_ns is not None:
        record['stamp_ns'] = frame.stamp_ns
    return record | model.task.record(model, result)


def refuse_sources_in(folder: Path, sources: Iterable[str]) -> None:
    """Refuse to write results to a folder that holds a file of a source, or a link to one.

    Results are named after their sources, so they would replace them, or mix with them.

    Parameters
    ----------
    folder : Path
        Where the results go; it may be missing.
    sources : iterable of str
        What `jetson_perception.camera.open_source` takes.

    Raises
    ------
    ParameterError
        When there is such a file.
    SourceError
        When a source is none.
    """
    files = [path for source in sources for path in source_files(source)]
    if not os.path.isdir(folder):
        return
    read = {identity for path in files if (identity := _identity(path))}
    for entry in folder.iterdir():
        if _identity(entry) in read:
            raise ParameterError(
                f'the output folder {printable(folder.resolve())} holds {printable(entry.name)}, '
                'which is one of the sources, and results could replace it; give another folder, '
                'or a new one',
                'output',
            )


def _identity(path: Path) -> tuple[int, int] | None:
    """Which file it is, through links; None where there is none that can be seen."""
    try:
        status = path.stat()
    except (OSError, ValueError):
        return None
    return status.st_dev, status.st_ino


class ResultFolder:
    """Annotated pictures and videos, masks of pictures, and results.jsonl, in a folder.

    The mask of a segmentation model has a class id a pixel, that of an instance segmentation model
    the index of the detection plus 1, in 16 bits where there are more than 255. The depth of
    pictures is an array of NumPy.

    Names are those of the pictures and videos, shortened where the file system takes none as long;
    of two equal ones the second gets a number. So does one that equals a file in a folder without
    results.jsonl, which no earlier run wrote.

    Parameters
    ----------
    path : Path
        The folder; made if it is not there.
    threads : int
        How many threads encode a picture of a video together; 0 for what the encoder takes.

    Raises
    ------
    ParameterError
        When it cannot be written to.
    """

    def __init__(self, path: Path, threads: int = 0) -> None:
        self.path = path
        self._threads = threads
        try:
            path.mkdir(parents=True, exist_ok=True)
            self._has_results = os.path.lexists(path / 'results.jsonl')
            if self._has_results:
                _log.warning(
                    '%s has results of an earlier run, which are replaced', printable(path)
                )
        except OSError as err:
            raise unwritable(path, err, 'output') from err
        self._lines = LineFile(path / 'results.jsonl', parameter='output')
        self._most_stem_bytes = _most_name_bytes(path) - _BYTES_BESIDE_STEM
        self._names: set[str] = set()
        self._told: set[str] = set()
        self._video: VideoFile | None = None
        self._video_size_wh = (0, 0)
        self._video_source, self._video_index = '', -1
        self._open_video = ExitStack()

    def write(
        self,
        frame: NamedFrame,
        model: Model[Any, Any],
        result: Any,
        canvas: NDArray[np.uint8],
    ) -> None:
        """Add a frame, what was found in it, and the picture in which that is drawn.

        Raises
        ------
        ParameterError
            When a file cannot be written.
        """
        record = result_record(frame, model, result)
        if frame.rate_hz:
            record['annotated'] = self._append(frame, canvas)
        else:
            stem = self._short(frame.name)
            suffix = '.jpg' if max(canvas.shape[:2]) <= _LONGEST_JPEG_SIDE else '.png'
            name = record['annotated'] = self._write_picture(f'{stem}{suffix}', canvas, frame)
            stem = Path(name).stem if name else stem
            mask = model.task.mask(result)
            if mask is not None and mask.dtype.kind == 'f':
                name = f'{stem}_{model.task.words[0]}.npy'
                record['array'] = self._write_array(name, mask)
            elif mask is not None:
                record['mask'] = self._write_picture(f'{stem}_mask.png', mask, frame)
        self._lines.append(json.dumps(record))

    def close(self) -> None:
        """Finish the files, whatever signal comes meanwhile; calling it twice is harmless.

        Raises
        ------
        ParameterError
            When the video could not be written whole.
        """
        with interrupted_after():
            try:
                self._open_video.close()
            finally:
                self._lines.close()

    def _write_picture(self, name: str, pixels: NDArray[Any], frame: NamedFrame) -> str | None:
        """Write a picture under this or another name; None where no format takes its size."""
        height, width = pixels.shape[:2]
        if max(height, width) > _LONGEST_PNG_SIDE:
            self._tell_left_out(
                f'{frame.source}: pictures of {width}×{height} pixels cannot be written as JPEG '
                'or PNG; results.jsonl has what was found in them'
            )
            return None
        name = self._unused(name)
        write_picture(self.path / name, pixels, parameter='output')
        return name

    def _write_array(self, name: str, values: NDArray[Any]) -> str:
        name = self._unused(name)
        content = io.BytesIO()
        np.save(content, values, allow_pickle=False)
        write_output(self.path / name, content.getvalue(), parameter='output')
        return name

    def _append(self, frame: NamedFrame, canvas: NDArray[np.uint8]) -> str | None:
        """Add to the source's video; another source, or another size, begins a new one.

        None where no video can have this size.
        """
        height, width = canvas.shape[:2]
        if min(width, height) < _SHORTEST_VIDEO_SIDE or max(width, height) > _LONGEST_JPEG_SIDE:
            self._tell_left_out(
                f'{frame.source}: frames of {width}×{height} pixels cannot be in a video, whose '
                f'sides have {_SHORTEST_VIDEO_SIDE} to {_LONGEST_JPEG_SIDE}; results.jsonl has '
                'what was found in them'
            )
            return None
        follows = frame.source == self._video_source and frame.index > self._video_index
        self._video_source, self._video_index = frame.source, frame.index
        if self._video is None or not follows or self._video_size_wh != (width, height):
            self._open_video.close()
            # OpenCV takes no name that is not UTF-8.
            stem = self._short(os.fsencode(frame.name).decode(errors='replace'))
            path = self.path / self._unused(f'{stem}.mp4')
            self._video_size_wh = width, height
            self._video = self._open_video.enter_context(
                write_video(path, self._video_size_wh, frame.rate_hz, threads=self._threads)
            )
        self._video.write(canvas, frame.offset_ns / 1e9)
        return self._video.path.name

    def _tell_left_out(self, text: str) -> None:
        """Say why there is no picture, but not again for each frame of a video."""
        if text not in self._told:
            self._told.add(text)
            _log.warning('%s', printable(text))

    def _short(self, stem: str) -> str:
        """A stem to which all endings may be added; one that is cut is told apart by its hash."""
        encoded = os.fsencode(stem)
        if len(encoded) <= self._most_stem_bytes:
            return stem
        mark = f'_{hashlib.blake2s(encoded, digest_size=4).hexdigest()}'
        end = self._most_stem_bytes - len(mark)
        while end and encoded[end] & 0xC0 == 0x80:  # within a character
            end -= 1
        return os.fsdecode(encoded[:end]) + mark

    def _unused(self, name: str) -> str:
        path = Path(name)
        numbered = (f'{path.stem}_{number}{path.suffix}' for number in itertools.count(2))
        names = itertools.chain([name], numbered)
        free = next(each for each in names if each not in self._names and not self._is_kept(each))
        self._names.add(free)
        return free

    def _is_kept(self, name: str) -> bool:
        """Whether a file of this name is somebody else's."""
        if self._has_results:
            return False
        path = self.path / name
        # Which codec a video gets shows when it is opened.
        suffixes = {codec.suffix for codec in CODECS} if path.suffix == '.mp4' else {path.suffix}
        return any(os.path.lexists(path.with_suffix(suffix)) for suffix in suffixes)


def _most_name_bytes(folder: Path) -> int:
    """How long a name may be there: 143 bytes in an encrypted home folder."""
    try:
        return os.pathconf(folder, 'PC_NAME_MAX')
    except (OSError, ValueError):
        return _MOST_NAME_BYTES
