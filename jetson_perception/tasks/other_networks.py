"""Networks that nothing here reads, told by names and shapes of their outputs."""

from __future__ import annotations

import math
import re
from collections import Counter
from itertools import pairwise
from typing import TYPE_CHECKING

from jetson_perception.model_info import ModelInfo
from jetson_perception.tasks.cells import cell_counts
from jetson_perception.tasks.depth_maps import named_depth
from jetson_perception.tasks.detectors.output import outputs_seen
from jetson_perception.tasks.detectors.stride_outputs import find_stride_outputs
from jetson_perception.tasks.grids import fits_input

if TYPE_CHECKING:
    from collections.abc import Sequence

    from jetson_perception.tasks.network_outputs import NetworkOutputs


_HEATMAPS = 'heatmaps of keypoints'
_WORDS = (
    (('depth', 'disparity'), 'depth that is no map of the image'),
    (('heatmap', 'simcc'), _HEATMAPS),
    (('flow',), 'optical flow'),
    (('embedding', 'last_hidden_state', 'pooler_output', 'image_embeds'), 'features'),
    (('paf',), 'part affinity fields'),
    (('offset', 'displacement'), 'offsets of points or lines'),
    (('landmark',), 'landmarks'),
)
_TALLEST_LINE = 64  # pixels: inputs of networks that read a line of text are 32, 48 or 64 high
_LINE_STRIDES = (4, 8)
_ANCHORS_OF_MEDIAPIPE = (896, 2016, 2254, 2944)  # of faces, palms, people and palms
_PEOPLE = (17, 26, 133)  # keypoints of COCO, Halpe and COCO-WholeBody


def other_network(outputs: NetworkOutputs) -> str:
    """What a network is that nothing here reads, such as 'optical flow'; '' if it is none known.

    Names and shapes that no task here has, and none that one of them may have.
    """
    if named_depth(outputs) or _is_read_by_stride(outputs):
        return ''
    shapes = outputs.shapes
    for words, what in _WORDS:
        if any(_is_called(name, word) for word in words for name in outputs.names):
            return what
    # EfficientPose's; detectors have a row of them for each anchor.
    if any(
        _is_called(name, 'conf') and _is_map(shape, outputs.network_wh)
        for name, shape in zip(outputs.names, shapes, strict=True)
    ):
        return _HEATMAPS
    if _are_heatmaps_of_a_person(shapes, outputs.network_wh):
        return _HEATMAPS
    if boxes_apart(shapes):
        return 'boxes of anchors apart from their scores (YOLOv4)'
    maps = [shape for shape in shapes if len(shape) == 4]
    # Segmentation networks give several maps, too: of the same channels, or with larger ones.
    grids, channels = {shape[2:] for shape in maps}, {shape[1] for shape in maps}
    if len(maps) >= 3 and len(grids) == 1 and len(channels) > 1:
        return 'maps of centers, sizes and offsets (CenterNet)'
    if len(maps) == len(shapes) >= 3 and _halves(maps, outputs.network_wh[1] // 8):
        return 'the raw maps of a detector'
    if _is_line_of_text(shapes, outputs.network_wh):
        return 'the characters of a line of text'
    return _raw_rows(shapes, outputs.network_wh)


def boxes_apart(shapes: Sequence[tuple[int, ...]]) -> bool:
    """Whether boxes are (1, anchors, 1, 4), and scores (1, anchors, classes), as pytorch-YOLOv4's.

    Such scores have the shape of rows that hold boxes, too.
    """
    anchors = {shape[1] for shape in shapes if len(shape) == 4 and shape[2:] == (1, 4)}
    return any(len(shape) == 3 and shape[1] in anchors for shape in shapes)


def _is_called(name: str, word: str) -> bool:
    """Whether a name has this word, or its plural, as a whole.

    Of a path of operators, only the last part tells what the output is.
    """
    last = name.rpartition('/')[2]
    spellings = (last, re.sub(r'(?<=[a-z])(?=[A-Z])', '_', last))
    words = (f'_{"_".join(re.findall("[a-z]+", each.lower()))}_' for each in spellings)
    return any(f'_{word}_' in each or f'_{word}s_' in each for each in words)


def _is_map(shape: tuple[int, ...], network_wh: tuple[int, int]) -> bool:
    """Whether it has values for each place of a grid over the input."""
    grids = (shape[1:3], shape[2:]) if len(shape) == 4 else ()
    return any(math.prod(grid) > 1 and fits_input(grid, network_wh) for grid in grids)


def _is_read_by_stride(outputs: NetworkOutputs) -> bool:
    """Whether they are scores and distributions of strides, as NanoDet and PicoDet have them."""
    found = find_stride_outputs(outputs_seen(outputs), ModelInfo(), outputs.network_wh, '')
    return found is not None


def _halves(maps: Sequence[tuple[int, ...]], finest: int) -> bool:
    """Whether the largest map has this height, and each other half that of a larger one."""
    heights = sorted({shape[2] for shape in maps}, reverse=True)
    halves = all(high == 2 * low for high, low in pairwise(heights))
    return len(heights) >= 3 and heights[0] == finest and halves


def _are_heatmaps_of_a_person(
    shapes: Sequence[tuple[int, ...]], network_wh: tuple[int, int]
) -> bool:
    """Whether the first output is a quarter of an upright input of 3:4, as HRNet and ViTPose have.

    Such an input is a person cut out, and segmentation of road or room is never upright.
    """
    width, height = network_wh
    quarter = [(1, count, height // 4, width // 4) for count in _PEOPLE]
    return width * 4 == height * 3 and shapes[0] in quarter


def _is_line_of_text(shapes: Sequence[tuple[int, ...]], network_wh: tuple[int, int]) -> bool:
    """Whether the only output has a row for each few columns of a low and wide image.

    Their order is (1, places, characters), or (places, 1, characters) as PyTorch's LSTMs have it.
    """
    width, height = network_wh
    if len(shapes) != 1 or len(shapes[0]) != 3 or height > min(width, _TALLEST_LINE):
        return False
    first, second, _ = shapes[0]
    places = {width // stride for stride in _LINE_STRIDES}
    return min(first, second) == 1 and max(first, second) in places


def _raw_rows(shapes: Sequence[tuple[int, ...]], network_wh: tuple[int, int]) -> str:
    """What rows of anchors are that no decoder has seen; '' if they are none."""
    rows = [shape[-2:] for shape in shapes if len(shape) == 2 or shape[:-2] == (1,)]
    counts = Counter(count for count, _ in rows)
    if len(rows) != len(shapes) or min(counts) < 2:
        return ''
    widths = sorted(width for _, width in rows)
    # A network that also gives what its encoder found has two numbers of rows, with boxes in both.
    in_parts = len(counts) > 2 or (len(counts) == 2 and 4 not in widths)
    if in_parts and len(set(counts.values())) == 1 < counts[rows[0][0]]:
        return 'raw scores and boxes of each scale (SCRFD, BlazeFace)'
    if len(counts) > 1:
        return ''
    if widths in ([2, 4, 8], [2, 4, 10]):
        return 'raw scores, boxes and landmarks of anchors (RetinaFace)'
    # A YOLO with one row a cell, or three, may have as many rows as one of them.
    of_yolo = {count * each for count in cell_counts(network_wh) for each in (1, 3)}
    of_mediapipe = (
        min(counts) in _ANCHORS_OF_MEDIAPIPE
        and min(counts) not in of_yolo
        and widths in ([13], [17], [19])
    )
    if of_mediapipe or widths in ([1, 12], [1, 16], [1, 18]):
        return 'raw scores, boxes and keypoints of anchors (BlazeFace, BlazePose)'
    return ''
