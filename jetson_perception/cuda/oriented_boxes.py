"""Finds oriented boxes on the GPU: the twin of `tasks.oriented_boxes.decode_oriented`.

Scores and classes equal the twin's, and the same values are refused as not finite. Boxes may
differ in the last bits, as they take sines and exponentials, and so may whether two overlap too
much where that is nearly undecided. Of an end-to-end output, at most `MAX_CANDIDATES` rows are
used.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from jetson_perception.cuda.block_decoder import BlockDecoder
from jetson_perception.cuda.compiler import load_module
from jetson_perception.cuda.detection_blocks import (
    OVERLAP_BLOCKS,
    THREADS,
    Block,
    require_float,
)
from jetson_perception.errors import ModelError
from jetson_perception.printable import counted
from jetson_perception.tasks.detection_options import MAX_CANDIDATES
from jetson_perception.tasks.finite import require_finite

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import DTypeLike

    from jetson_perception.cuda.buffers import DeviceBuffer
    from jetson_perception.cuda.device import CudaDevice, Stream
    from jetson_perception.tasks.oriented_boxes import OrientedLayout
    from jetson_perception.tasks.results import Detections

# The same as in oriented_boxes.cu.
_TURNED_BYTES = 1 << 15
_BOX_VALUES = 5
_HEADER = np.dtype(
    [
        *((name, np.int32) for name in ('count', 'bad_classes', 'bad_scores', 'bad_values')),
        ('chosen', np.int32),
        ('unused', np.int32, 3),
    ]
)


class CudaOrientedDecoder(BlockDecoder):
    """Decodes outputs of one engine into oriented boxes.

    Parameters
    ----------
    device : CudaDevice
        The GPU.
    layout : OrientedLayout
        What the engine's first output contains.
    output_shapes : sequence of tuple of int
        The shapes of all outputs, from a run.
    output_dtypes : sequence of dtype
        The types of all outputs; the first must be float32 or float16.

    Raises
    ------
    ModelError
        When the first output does not have the layout's shape, or has another type.
    CudaError
        When the kernels cannot be compiled or loaded, or the GPU's memory is full.
    """

    def __init__(
        self,
        device: CudaDevice,
        layout: OrientedLayout,
        output_shapes: Sequence[tuple[int, ...]],
        output_dtypes: Sequence[DTypeLike],
    ) -> None:
        super().__init__(device)
        self.layout = layout
        shape, dtype = tuple(output_shapes[0]), np.dtype(output_dtypes[0])
        last = layout.channels_last
        if (
            len(shape) != 3
            or shape[0] != 1
            or shape[2 if last else 1] != layout.value_count
            or 0 in shape
        ):
            raise ModelError(
                f'output 0 is {shape}, not (1, …) with {counted(layout.value_count, "value")} a '
                'row; load the model again'
            )
        require_float(0, dtype)
        self._expected = {0: (shape, dtype)}
        self._rows = shape[1 if last else 2]
        strides = (layout.value_count, 1) if last else (1, self._rows)
        limit = layout.class_count or np.iinfo(np.int32).max
        self._described = (
            *(*strides, self._rows, layout.class_count),
            *(limit, int(layout.end_to_end)),
        )
        with self._resources.closed_on_error():
            module = self._resources.add(load_module(device, 'oriented_boxes'))
            kernel = f'find_oriented_{dtype.name}'
            self._find = module.get_function(kernel, 'PiiiiiiPPPPPP')
            self._suppress = module.get_function('suppress_oriented', 'PPPP')
            # For one frame at a time, because frames follow each other on the stream.
            self._keys = self._buffer((self._rows,), np.uint64)
            self._class_ids = self._buffer((self._rows,), np.int32)
            self._work = self._workspace()
            self._turned = self._buffer((_TURNED_BYTES,), np.uint8)
            most = min(self._rows, MAX_CANDIDATES)
            self._blocks = tuple(
                self._resources.add(Block(device, most, oriented=True)) for _ in range(2)
            )

    def enqueue_kernels(
        self, outputs: Sequence[DeviceBuffer], stream: Stream, block: int = 0
    ) -> None:
        """`enqueue` without the copies, for measurements."""
        mine = self._blocks[block]
        self._find.launch(
            stream,
            (-(-self._rows // THREADS),),
            (THREADS,),
            outputs[0].address,
            *self._described,
            mine.frame_address,
            self._keys.address,
            self._class_ids.address,
            self._work.address,
            self._turned.address,
            mine.result_address,
        )
        if not self.layout.end_to_end:
            self._suppress.launch(
                stream,
                (OVERLAP_BLOCKS,),
                (THREADS,),
                mine.frame_address,
                self._work.address,
                self._turned.address,
                mine.result_address,
            )

    def collect(self, block: int = 0) -> Detections:
        """The detections of a block's frame, once the stream has passed it; new arrays.

        Raises
        ------
        ModelError
            When values are not finite; see `tasks.oriented_boxes.decode_oriented`.
        """
        mine = self._blocks[block]
        header: Any = mine.header(_HEADER)
        require_finite('classes', int(header['bad_classes']), self._rows, 'rows')
        require_finite('scores', int(header['bad_scores']), self._rows, 'rows')
        values = int(header['chosen']) * _BOX_VALUES
        require_finite('boxes', int(header['bad_values']), values, 'values')
        return mine.result()
