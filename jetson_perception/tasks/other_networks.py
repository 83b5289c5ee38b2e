"""Networks that nothing here reads, told by names and shapes of their outputs."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

from jetson_perception.tasks.depth_maps import named_depth

if TYPE_CHECKING:
    from collections.abc import Sequence

    from jetson_perception.tasks.network_outputs import NetworkOutputs


def other_network(outputs: NetworkOutputs) -> str:
    """What a network is that nothing here reads, such as 'optical flow'; '' if it is none known.

    Names and shapes that no task here has, and none that one of them may have.
    """
    if named_depth(outputs):
        return ''
    names = [name.lower() for name in outputs.names]
    shapes = outputs.shapes
    for words, what in (
        (('depth', 'disparity'), 'depth that is no map of the image'),
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
    return ''


def _halves(maps: Sequence[tuple[int, ...]], finest: int) -> bool:
    """Whether the largest map has this height, and each other half that of a larger one."""
    heights = sorted({shape[2] for shape in maps}, reverse=True)
    halves = all(high == 2 * low for high, low in pairwise(heights))
    return len(heights) >= 3 and heights[0] == finest and halves
