"""Finds objects in raw heads of YOLOv5 and YOLOv7 on the GPU: the twin of `decode_heads`.

Classes equal those of `tasks.anchor_heads.decode_heads`, and the same values are refused as not
finite. Scores and boxes take exponentials, so they may differ in the last bits, and so may what
depends on them: a score at its threshold, and the order of scores that differ as little.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from jetson_perception.cuda.block_decoder import BlockDecoder
from jetson_perception.cuda.compiler import load_module
from jetson_perception.cuda.detection_blocks import (
    DETECTED_BYTES,
    OVERLAP_BLOCKS,
    THREADS,
    Block,
    require_float,
)
from jetson_perception.cuda.preprocess import upload
from jetson_perception.errors import ModelError
from jetson_perception.tasks.anchor_heads import VALUES_BEFORE_CLASSES, stride_of
from jetson_perception.tasks.detection_options import MAX_CANDIDATES
from jetson_perception.tasks.finite import require_finite

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import DTypeLike

    from jetson_perception.cuda.buffers import DeviceBuffer
    from jetson_perception.cuda.device import CudaDevice, Stream
    from jetson_perception.tasks.anchor_heads import HeadLayout
    from jetson_perception.tasks.results import Detections

# The same as in anchor_heads.cu.
_ROWS_PER_BLOCK = THREADS // 8
_MAX_LEVELS = 4
_COUNTS = ('bad_scores', 'likely', 'bad_values')
_LEVEL = np.dtype([(name, np.int32) for name in ('first_row', 'width', 'height', 'stride')])
_HEADS = np.dtype(
    [
        *((name, np.int32) for name in ('rows', 'values', 'anchors', 'level_count')),
        ('levels', _LEVEL, _MAX_LEVELS),
    ]
)
_HEADER = np.dtype(
    [*((name, np.int32) for name in ('count', 'level', *_COUNTS)), ('unused', np.int32, 3)]
)


class CudaHeadDecoder(BlockDecoder):
    """Decodes the raw heads of one engine.

    Parameters
    ----------
    device : CudaDevice
        The GPU.
    layout : HeadLayout
        What the engine's outputs contain.
    output_shapes : sequence of tuple of int
        The shapes of all outputs, from a run.
    output_dtypes : sequence of dtype
        The types of all outputs; the layout's must be all float32, or all float16.

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
        layout: HeadLayout,
        output_shapes: Sequence[tuple[int, ...]],
        output_dtypes: Sequence[DTypeLike],
    ) -> None:
        super().__init__(device)
        self.layout = layout
        shapes = [tuple(output_shapes[index]) for index in layout.outputs]
        dtypes = [np.dtype(output_dtypes[index]) for index in layout.outputs]
        self._expected = dict(zip(layout.outputs, zip(shapes, dtypes, strict=True), strict=True))
        described, anchors = _described(layout, shapes), _anchors(layout)
        dtype = _one_type(layout, dtypes)
        self._level_rows = [int(np.prod(shape[1:4])) for shape in shapes]
        self._rows = sum(self._level_rows)
        with self._resources.closed_on_error():
            module = self._resources.add(load_module(device, 'anchor_heads'))
            self._find = module.get_function(f'find_in_heads_{dtype.name}', 'P' * 11)
            self._suppress = module.get_function('suppress_heads', 'PPPPP')
            self._described = self._buffer(described.shape, _HEADS)
            self._anchors = self._buffer(anchors.shape, np.float32)
            # For one frame at a time, because frames follow each other on the stream.
            self._keys = self._buffer((self._rows,), np.uint64)
            self._class_ids = self._buffer((self._rows,), np.int32)
            self._counts = self._buffer((_MAX_LEVELS, len(_COUNTS)), np.int32)
            self._work = self._workspace()
            self._detected = self._buffer((DETECTED_BYTES,), np.uint8)
            most = min(self._rows, MAX_CANDIDATES)
            self._blocks = tuple(self._resources.add(Block(device, most)) for _ in range(2))
            upload(described, self._described)
            upload(anchors, self._anchors)
            self._counts.clear_and_wait()  # every frame leaves them at zero for the next

    def enqueue_kernels(
        self, outputs: Sequence[DeviceBuffer], stream: Stream, block: int = 0
    ) -> None:
        """`enqueue` without the copies, for measurements."""
        mine = self._blocks[block]
        maps = [outputs[index].address for index in self.layout.outputs]
        self._find.launch(
            stream,
            (-(-self._rows // _ROWS_PER_BLOCK),),
            (THREADS,),
            *maps,
            *[0] * (_MAX_LEVELS - len(maps)),
            self._described.address,
            self._anchors.address,
            mine.frame_address,
            self._keys.address,
            self._class_ids.address,
            self._counts.address,
            self._work.address,
        )
        self._suppress.launch(
            stream,
            (OVERLAP_BLOCKS,),
            (THREADS,),
            mine.frame_address,
            self._counts.address,
            self._work.address,
            self._detected.address,
            mine.result_address,
        )

    def collect(self, block: int = 0) -> Detections:
        """The detections of a block's frame, once the stream has passed it; new arrays.

        Raises
        ------
        ModelError
            When values are not finite; see `tasks.anchor_heads.decode_heads`.
        """
        mine = self._blocks[block]
        header: Any = mine.header(_HEADER)
        if header['bad_scores']:
            anchors = self._level_rows[int(header['level'])]
            require_finite('scores', int(header['bad_scores']), anchors, 'anchors')
        values = int(header['likely']) * (VALUES_BEFORE_CLASSES + self.layout.class_count)
        require_finite('boxes', int(header['bad_values']), values, 'values')
        return mine.result()


def _described(layout: HeadLayout, shapes: Sequence[tuple[int, ...]]) -> Any:
    """The heads as the kernels read them.

    Raises
    ------
    ModelError
        When outputs do not have the layout's shapes.
    """
    described = np.zeros(1, _HEADS)
    values = VALUES_BEFORE_CLASSES + layout.class_count
    first = 0
    for level, (index, shape) in enumerate(zip(layout.outputs, shapes, strict=True)):
        anchors = len(layout.anchors[level])
        if len(shape) != 5 or shape[:2] != (1, anchors) or shape[4] != values or 0 in shape:
            raise ModelError(
                f'output {index} is {shape}, not (1, {anchors}, height, width, {values}) as when '
                'the model was loaded; load the model again'
            )
        described['levels'][0, level] = first, shape[3], shape[2], stride_of(level)
        first += int(np.prod(shape[1:4]))
    described[0] = first, values, len(layout.anchors[0]), len(shapes), described['levels'][0]
    return described


def _anchors(layout: HeadLayout) -> np.ndarray[Any, Any]:
    """Width and height of each anchor of each level, shape (levels, anchors, 2), float32.

    Raises
    ------
    ModelError
        When boxes relative to one would be infinite.
    """
    with np.errstate(over='ignore'):
        anchors = np.array(layout.anchors, np.float32)
        if not np.isfinite(anchors * 8).all():
            raise ModelError(f'anchors are {anchors.max():g} pixels; the GPU decodes smaller ones')
    return anchors


def _one_type(layout: HeadLayout, dtypes: Sequence[np.dtype]) -> np.dtype:
    """The type of all heads.

    Raises
    ------
    ModelError
        When they differ, or the kernels do not read it.
    """
    for index, dtype in zip(layout.outputs, dtypes, strict=True):
        require_float(index, dtype)
        if dtype != dtypes[0]:
            raise ModelError(
                f'output {index} is {dtype}, but output {layout.outputs[0]} is {dtypes[0]}; the '
                'GPU decodes heads of one type: export the model with one'
            )
    return dtypes[0]
