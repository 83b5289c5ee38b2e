"""Finds people in MoveNet's output on the GPU: the twin of `tasks.movenet.decode_people`.

Results equal the twin's to the last bit, and the same values are refused as not finite.
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
    require_float,
)
from jetson_perception.tasks.finite import require_finite
from jetson_perception.tasks.movenet import require_people

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import DTypeLike

    from jetson_perception.cuda.buffers import DeviceBuffer
    from jetson_perception.cuda.device import CudaDevice, Stream
    from jetson_perception.tasks.movenet import PersonLayout
    from jetson_perception.tasks.results import Detections

# The same as in movenet.cu.
_MOST_PEOPLE = 6
_HEADER = np.dtype([('count', np.int32), ('bad_values', np.int32), ('unused', np.int32, 6)])


class CudaPeopleDecoder(BlockDecoder):
    """Decodes the output of one engine that runs MoveNet.

    Parameters
    ----------
    device : CudaDevice
        The GPU.
    layout : PersonLayout
        What the engine's output contains.
    network_wh : tuple of int
        Width and height of the network's input, pixels.
    output_shapes : sequence of tuple of int
        The shapes of all outputs, from a run.
    output_dtypes : sequence of dtype
        The types of all outputs; the layout's must be float32 or float16.

    Raises
    ------
    ModelError
        When the output does not have the layout's shape, or has another type.
    CudaError
        When the kernels cannot be compiled or loaded, or the GPU's memory is full.
    """

    def __init__(
        self,
        device: CudaDevice,
        layout: PersonLayout,
        network_wh: tuple[int, int],
        output_shapes: Sequence[tuple[int, ...]],
        output_dtypes: Sequence[DTypeLike],
    ) -> None:
        super().__init__(device)
        self.layout = layout
        shape, dtype = tuple(output_shapes[layout.output]), np.dtype(output_dtypes[layout.output])
        require_people(layout, shape)
        require_float(layout.output, dtype)
        self._expected = {layout.output: (shape, dtype)}
        self._value_count = int(np.prod(shape))
        self._network_wh = network_wh
        with self._resources.closed_on_error():
            module = self._resources.add(load_module(device, 'movenet'))
            self._read = module.get_function(f'read_people_{dtype.name}', 'PiffPPPP')
            self._work = self._workspace()
            self._detected = self._buffer((DETECTED_BYTES,), np.uint8)
            most = _MOST_PEOPLE if layout.several else 1
            self._blocks = tuple(
                self._resources.add(Block(device, most, layout.keypoint_count)) for _ in range(2)
            )

    def enqueue_kernels(
        self, outputs: Sequence[DeviceBuffer], stream: Stream, block: int = 0
    ) -> None:
        """`enqueue` without the copies, for measurements."""
        mine = self._blocks[block]
        self._read.launch(
            stream,
            (1,),
            (THREADS,),
            outputs[self.layout.output].address,
            int(self.layout.several),
            *self._network_wh,
            mine.frame_address,
            self._work.address,
            self._detected.address,
            mine.result_address,
        )

    def collect(self, block: int = 0) -> Detections:
        """The people of a block's frame, once the stream has passed it; new arrays.

        Raises
        ------
        ModelError
            When a value is not finite.
        """
        mine = self._blocks[block]
        bad = int(mine.header(_HEADER)['bad_values'])
        require_finite('keypoints', bad, self._value_count, 'values')
        return mine.result()
