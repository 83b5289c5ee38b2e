"""Networks that nothing here reads, told by names and shapes of their outputs."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from jetson_perception.tasks.network_outputs import NetworkOutputs

_LEAST_SIDE = 8


def other_network(outputs: NetworkOutputs) -> str:
    """What a network is that nothing here reads, such as 'a depth map'; '' if it is none known.

    Names and shapes that no task here has, and none that one of them may have.
    """
    names = [name.lower() for name in outputs.names]
    shapes = outputs.shapes
    for words, what in (
        (('depth', 'disparity'), 'a depth map'),
        (('heatmap', 'simcc'), 'heatmaps of keypoints'),
        (('flow',), 'optical flow'),
        (('embedding', 'last_hidden_state', 'pooler_output', 'image_embeds'), 'features'),
        (('paf',), 'part affinity fields'),
    ):
        if any(word in name for word in words for name in names):
            return what
    maps = [shape for shape in shapes if len(shape) == 4]
    # Segmentation networks give several maps, too: of the same channels, or with larger ones.
    grids, channels = {shape[2:] for shape in maps}, {shape[1] for shape in maps}
    if len(maps) >= 3 and len(grids) == 1 and len(channels) > 1:
        return 'maps of centers, sizes and offsets (CenterNet)'
    if len(maps) == len(shapes) >= 3 and _halves(maps, outputs.network_wh[1] // 8):
        return 'the raw maps of a detector, which its export should decode'
    if len(shapes) == 1 and outputs.dtype.kind == 'f' and _is_image(shapes[0], outputs.network_wh):
        return 'a map of one value a pixel, as of depth'
    return ''


def _halves(maps: Sequence[tuple[int, ...]], finest: int) -> bool:
    """Whether the largest map has this height, and each other half that of a larger one."""
    heights = sorted({shape[2] for shape in maps}, reverse=True)
    halves = all(high == 2 * low for high, low in pairwise(heights))
    return len(heights) >= 3 and heights[0] == finest and halves


def _is_image(shape: tuple[int, ...], network_wh: tuple[int, int]) -> bool:
    """Whether (1, h, w) has the proportions of the network's input, at a whole fraction."""
    width, height = network_wh
    if len(shape) != 3 or min(shape[1:]) < _LEAST_SIDE:
        return False
    return shape[1] * width == shape[2] * height and height % shape[1] == 0
