"""Finds what ONNX's NonMaxSuppression selected, on the GPU: the twin of `decode_selected`.

Results equal those of `tasks.selected_boxes.decode_selected` to the last bit, and the same values
are refused. At most `MAX_CANDIDATES` boxes are used.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from jetson_perception.cuda.block_decoder import BlockDecoder
from jetson_perception.cuda.compiler import load_module
from jetson_perception.cuda.detection_blocks import (
    DETECTED_BYTES,
    THREADS,
    Block,
    kind_of,
)
from jetson_perception.errors import ModelError
from jetson_perception.tasks.detection_options import MAX_CANDIDATES
from jetson_perception.tasks.finite import require_finite
from jetson_perception.tasks.selected_boxes import selects_too_much

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import DTypeLike

    from jetson_perception.cuda.buffers import DeviceBuffer
    from jetson_perception.cuda.device import CudaDevice, Stream
    from jetson_perception.tasks.results import Detections
    from jetson_perception.tasks.selected_boxes import SelectedLayout

# The same as in selected_boxes.cu.
_HEADER = np.dtype(
    [
        *((name, np.int32) for name in ('count', 'beyond', 'bad_scores', 'bad_boxes')),
        *((name, np.int32) for name in ('used_rows', 'chosen')),
        ('unused', np.int32, 2),
    ]
)


class CudaSelectedDecoder(BlockDecoder):
    """Decodes outputs of one engine that end in ONNX's NonMaxSuppression.

    Parameters
    ----------
    device : CudaDevice
        The GPU.
    layout : SelectedLayout
        What the engine's outputs contain.
    network_wh : tuple of int
        Width and height of the network's input, pixels.
    output_shapes : sequence of tuple of int
        The shapes of all outputs, from a run.
    output_dtypes : sequence of dtype
        The types of all outputs: int32 or int64 for indices, float32 or float16 for boxes and
        scores.

    Raises
    ------
    ModelError
        When an output does not have the layout's shape, or has another type.
    CudaError
        When the kernels cannot be compiled or loaded, or the GPU's memory is full.
    """

    def __init__(
        self,
        device: CudaDevice,
        layout: SelectedLayout,
        network_wh: tuple[int, int],
        output_shapes: Sequence[tuple[int, ...]],
        output_dtypes: Sequence[DTypeLike],
    ) -> None:
        super().__init__(device)
        self.layout = layout
        self._read = layout.indices, layout.boxes, layout.scores
        shapes = [tuple(output_shapes[index]) for index in self._read]
        dtypes = [np.dtype(output_dtypes[index]) for index in self._read]
        self._expected = dict(zip(self._read, zip(shapes, dtypes, strict=True), strict=True))
        self._rows, self._box_count = _sizes(layout, *shapes)
        integers, floats = ('int32', 'int64'), ('float32', 'float16')
        wanted = (integers, floats, floats)
        self._described = (
            *(kind_of(*each) for each in zip(self._read, dtypes, wanted, strict=True)),
            *(self._rows, self._box_count, layout.class_count),
            *(int(layout.box_format == each) for each in ('cxcywh', 'yxyx')),
            *(network_wh if layout.relative else (1, 1)),
        )
        with self._resources.closed_on_error():
            module = self._resources.add(load_module(device, 'selected_boxes'))
            self._find = module.get_function('find_selected', 'PPPiiiiiiiiffPPPPP')
            # For one frame at a time, because frames follow each other on the stream.
            self._keys = self._buffer((self._rows,), np.uint64)
            self._work = self._workspace()
            self._detected = self._buffer((DETECTED_BYTES,), np.uint8)
            most = min(self._rows, MAX_CANDIDATES)
            self._blocks = tuple(self._resources.add(Block(device, most)) for _ in range(2))

    def enqueue_kernels(
        self, outputs: Sequence[DeviceBuffer], stream: Stream, block: int = 0
    ) -> None:
        """`enqueue` without the copies, for measurements."""
        mine = self._blocks[block]
        self._find.launch(
            stream,
            (-(-self._rows // THREADS),),
            (THREADS,),
            *(outputs[index].address for index in self._read),
            *self._described,
            mine.frame_address,
            self._keys.address,
            self._work.address,
            self._detected.address,
            mine.result_address,
        )

    def collect(self, block: int = 0) -> Detections:
        """The detections of a block's frame, once the stream has passed it; new arrays.

        Raises
        ------
        ModelError
            When an index or a value is wrong; see `tasks.selected_boxes.decode_selected`.
        """
        mine = self._blocks[block]
        header = mine.header(_HEADER)
        if header['beyond']:
            raise selects_too_much(self.layout, self._box_count, self.layout.class_count)
        require_finite('scores', int(header['bad_scores']), int(header['used_rows']), 'rows')
        require_finite('boxes', int(header['bad_boxes']), int(header['chosen']), 'rows')
        return mine.result()


def _sizes(
    layout: SelectedLayout,
    indices: tuple[int, ...],
    boxes: tuple[int, ...],
    scores: tuple[int, ...],
) -> tuple[int, int]:
    """How many rows of indices there are, and boxes; from the outputs' shapes."""
    rows = int(np.prod(indices[:-1]))
    if (
        indices[-1:] != (3,)
        or len(boxes) != 3
        or boxes[2] != 4
        or scores != (boxes[0], layout.class_count, boxes[1])
        or 0 in (rows, *boxes, *scores)
    ):
        raise ModelError(
            f'outputs of indices, boxes and scores are {indices}, {boxes} and {scores}, not (…, '
            f'3), (1, n, 4) and (1, {layout.class_count}, n); load the model again'
        )
    return rows, boxes[1]
