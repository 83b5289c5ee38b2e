"""Pictures and a video of what was seen."""

from __future__ import annotations

from typing import TYPE_CHECKING

import cv2
import numpy as np

from jetson_perception.commands.recording import write_video
from jetson_perception.images import encodings
from jetson_perception.images.picture_files import write_picture
from jetson_perception.ros.image_messages import stamp_ns

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from numpy.typing import NDArray
    from sensor_msgs.msg import CompressedImage

_SHOWN = 3


def save(
    jpegs: Sequence[CompressedImage], folder: Path, rate: float
) -> tuple[Path, tuple[int, int]]:
    """Write three of the images, and all as a video in which each has its own time.

    Images of another size than the first, as those of a folder, are fitted to it.

    Parameters
    ----------
    jpegs : sequence of CompressedImage
        At least one.
    folder : Path
        Where to; pictures of an earlier demo there are replaced.
    rate : float
        Images a second, about.

    Returns
    -------
    Path
        The video.
    tuple of int
        Its width and height, pixels.
    """
    remove_old(folder)
    first = encodings.decode_compressed(jpegs[0].data, 'jpeg')
    size_wh = first.shape[1], first.shape[0]
    step = max(len(jpegs) // _SHOWN, 1)
    with write_video(folder / 'annotated.mp4', size_wh, rate) as video:
        for index, jpeg in enumerate(jpegs):
            picture = encodings.decode_compressed(jpeg.data, 'jpeg')
            number, rest = divmod(index, step)
            if not rest and number < _SHOWN:
                write_picture(folder / f'annotated_{number + 1}.png', picture)
            video.write(fitted(picture, size_wh), stamp_ns(jpeg.header) / 1e9)
    return video.path, size_wh


def remove_old(folder: Path) -> None:
    """Remove what an earlier demo has left in a folder, which would look like this one's."""
    for old in (*folder.glob('annotated_?.png'), *folder.glob('annotated.*')):
        old.unlink()


def fitted(picture: NDArray[np.uint8], size_wh: tuple[int, int]) -> NDArray[np.uint8]:
    """A picture at another size, whole and undistorted, in the middle of black."""
    height, width = picture.shape[:2]
    if (width, height) == size_wh:
        return picture
    scale = min(size_wh[0] / width, size_wh[1] / height)
    inner_w, inner_h = max(round(width * scale), 1), max(round(height * scale), 1)
    resized = cv2.resize(picture, (inner_w, inner_h), interpolation=cv2.INTER_AREA)
    whole = np.zeros((size_wh[1], size_wh[0], 3), np.uint8)
    left, top = (size_wh[0] - inner_w) // 2, (size_wh[1] - inner_h) // 2
    whole[top : top + inner_h, left : left + inner_w] = resized
    return whole
