"""Inputs besides the image: the size of the image, which some exports scale their boxes by.

They get the size of the network's input, so boxes are in its pixels, whatever the camera's size.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from jetson_perception.errors import ModelError
from jetson_perception.printable import listed, printable, quoted

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from jetson_perception.engines.base import TensorSpec

_MOST_NAMED = 10
#: What inputs of these names hold: RT-DETR's and D-FINE's, PaddleDetection's, YOLOv3's of Keras.
_SIZES = {
    'orig_target_sizes': 'width, height',
    'target_sizes': 'height, width',
    'im_shape': 'height, width',
    'image_shape': 'height, width',
    'scale_factor': 'ones',
}


def image_and_others(
    path: Path, specs: Sequence[TensorSpec]
) -> tuple[TensorSpec, tuple[TensorSpec, ...]]:
    """The image, and the inputs that are its size.

    Raises
    ------
    ModelError
        When there is no image, or an input that is neither; the message lists all.
    """
    if len(specs) == 1:
        return specs[0], ()
    images = [spec for spec in specs if len(spec.shape) == 4]
    others = tuple(spec for spec in specs if len(spec.shape) != 4)
    if len(images) == 1 and all(_meaning(spec) for spec in others):
        return images[0], others
    found = listed([_shown(spec) for spec in specs], _MOST_NAMED) or 'none'
    raise ModelError(
        f'{path} has {len(specs)} inputs ({found}); expected the image and, at most, its size '
        f'({", ".join(_SIZES)}). Export the model without the others'
    )


def size_values(
    others: Sequence[TensorSpec], size_wh: tuple[int, int], batch: int
) -> dict[str, NDArray[np.generic]]:
    """What inputs that are the size get, by name."""
    width, height = size_wh
    row = {'width, height': (width, height), 'height, width': (height, width), 'ones': (1, 1)}
    found: dict[str, NDArray[np.generic]] = {}
    for spec in others:
        values = np.array(row[_meaning(spec)], spec.dtype)
        found[spec.name] = values if len(spec.shape) == 1 else np.tile(values, (batch, 1))
    return found


def _meaning(spec: TensorSpec) -> str:
    """What an input holds; empty if it is not known to be a size."""
    is_pair = len(spec.shape) in (1, 2) and spec.shape[-1] in (2, -1) and spec.dtype.kind in 'if'
    return _SIZES.get(spec.name.partition(':')[0].lower(), '') if is_pair else ''


def _shown(spec: TensorSpec) -> str:
    sides = ', '.join('?' if size < 0 else str(size) for size in spec.shape)
    return f'{quoted(spec.name, 60)} {printable(spec.dtype)} ({sides})'
