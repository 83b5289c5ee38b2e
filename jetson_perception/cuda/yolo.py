"""Decodes YOLO outputs into detections on the GPU: the twin of `tasks.yolo.decode`.

Boxes, scores, classes and keypoints equal the twin's to the last bit, and the same values are
refused as not finite, except in cases that no network produces: a score of -0 counts as 0 even in
float16, and at most `MAX_CANDIDATES` rows of an end-to-end output are used. Pixels of instance
masks may differ where a logit is almost 0, since the order in which NumPy adds products depends on
the machine.
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
from jetson_perception.errors import ModelError
from jetson_perception.tasks.detection_options import MAX_CANDIDATES
from jetson_perception.tasks.finite import not_finite, require_finite

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import DTypeLike

    from jetson_perception.cuda.buffers import DeviceBuffer
    from jetson_perception.cuda.device import CudaDevice, Stream
    from jetson_perception.tasks.results import Detections
    from jetson_perception.tasks.yolo import YoloLayout

_BLOCK_ANCHORS = 64  # the same as in yolo.cu
_TILE_BLOCK = (32, 8)  # the same as in instance_masks.cu
_FIRST_VALUE = {'anchor_free': 4, 'objectness': 5, 'end_to_end': 6}  # of the classes, or keypoints


class CudaDecoder(BlockDecoder):
    """Decodes YOLO outputs of one engine.

    Parameters
    ----------
    device : CudaDevice
        The GPU.
    layout : YoloLayout
        What the engine's outputs contain.
    output_shapes : sequence of tuple of int
        The shapes of all outputs, from a run.
    output_dtypes : sequence of dtype
        The types of all outputs; those that the layout names must be float32 or float16.

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
        layout: YoloLayout,
        output_shapes: Sequence[tuple[int, ...]],
        output_dtypes: Sequence[DTypeLike],
    ) -> None:
        super().__init__(device)
        self.layout = layout
        shape, dtype = _checked(layout, output_shapes, output_dtypes)
        self._expected = {layout.output: (shape, dtype)}
        grid_wh = None
        if layout.coefficient_count:
            prototypes = _checked_prototypes(layout, output_shapes, output_dtypes)
            self._expected[layout.prototypes] = prototypes
            grid_wh = prototypes[0][3], prototypes[0][2]
        self._anchors = shape[1 if layout.channels_last else 2]
        self._strides = (layout.value_count, 1) if layout.channels_last else (1, self._anchors)
        self._max_rows = min(self._anchors, MAX_CANDIDATES)
        with self._resources.closed_on_error():
            module = self._resources.add(load_module(device, 'yolo'))
            if layout.family == 'end_to_end':
                self._read = module.get_function(f'read_end_to_end_{dtype.name}', 'PiiifiiiPPPPPP')
            else:
                self._find = module.get_function(f'find_candidates_{dtype.name}', 'PiiiiiPPPP')
                self._suppress = module.get_function(f'suppress_{dtype.name}', 'PiiiiiiPPPPP')
            # For one frame at a time, because frames follow each other on the stream.
            self._keys = self._buffer((self._anchors,), np.uint64)
            self._class_ids = self._buffer((self._anchors,), np.int32)
            self._work = self._workspace()
            self._detected = self._buffer((DETECTED_BYTES,), np.uint8)
            coefficients = self._max_rows, layout.coefficient_count
            self._coefficients = self._buffer(coefficients, np.float32)
            if layout.coefficient_count:
                masks = self._resources.add(load_module(device, 'instance_masks'))
                name = self._expected[layout.prototypes][1].name
                self._paint = masks.get_function(f'paint_instances_{name}', 'PiiiPPPPP')
            self._blocks = tuple(
                self._resources.add(Block(device, self._max_rows, layout.keypoint_count, grid_wh))
                for _ in range(2)
            )

    def enqueue_kernels(
        self, outputs: Sequence[DeviceBuffer], stream: Stream, block: int = 0
    ) -> None:
        """`enqueue` without the copies, for measurements."""
        mine = self._blocks[block]
        if self.layout.family == 'end_to_end':
            self._enqueue_end_to_end(outputs[self.layout.output], mine, stream)
        else:
            self._enqueue_anchors(outputs[self.layout.output], mine, stream)
        if self.layout.coefficient_count:
            self._enqueue_masks(outputs[self.layout.prototypes], mine, stream)

    def collect(self, block: int = 0) -> Detections:
        """The detections of a block's frame, once the stream has passed it.

        They are new arrays, equal to what `tasks.yolo.decode` would return.

        Raises
        ------
        ModelError
            When values are not finite; see `tasks.yolo.decode`.
        """
        mine = self._blocks[block]
        self._require_finite(mine.header())
        return mine.result()

    def _enqueue_anchors(self, output: DeviceBuffer, block: Block, stream: Stream) -> None:
        layout = self.layout
        self._find.launch(
            stream,
            (-(-self._anchors // _BLOCK_ANCHORS),),
            (THREADS,),
            output.address,
            *self._strides,
            self._anchors,
            layout.class_count,
            int(layout.family == 'objectness'),
            block.frame_address,
            self._keys.address,
            self._class_ids.address,
            self._work.address,
        )
        self._suppress.launch(
            stream,
            (OVERLAP_BLOCKS,),
            (THREADS,),
            output.address,
            *self._strides,
            _FIRST_VALUE[layout.family] + layout.class_count,
            *(layout.keypoint_shape or (0, 0)),
            layout.coefficient_count,
            block.frame_address,
            self._work.address,
            self._detected.address,
            self._coefficients.address,
            block.result_address,
        )

    def _enqueue_end_to_end(self, output: DeviceBuffer, block: Block, stream: Stream) -> None:
        layout = self.layout
        self._read.launch(
            stream,
            (1,),
            (THREADS,),
            output.address,
            *self._strides,
            self._anchors,
            float(layout.class_count or np.iinfo(np.int32).max),
            *(layout.keypoint_shape or (0, 0)),
            layout.coefficient_count,
            block.frame_address,
            self._keys.address,
            self._work.address,
            self._detected.address,
            self._coefficients.address,
            block.result_address,
        )

    def _enqueue_masks(self, prototypes: DeviceBuffer, block: Block, stream: Stream) -> None:
        self._paint.launch(
            stream,
            block.tiles,
            _TILE_BLOCK,
            prototypes.address,
            self.layout.coefficient_count,
            prototypes.shape[3],
            prototypes.shape[2],
            self._coefficients.address,
            self._detected.address,
            block.frame_address,
            block.ids_address,
            block.result_address,
        )

    def _require_finite(self, header: Any) -> None:
        """Refuse a result if the kernels met values that are not finite."""
        layout, count = self.layout, int(header['count'])
        unit, boxes = 'anchors', 'boxes'
        if layout.family == 'end_to_end':
            unit, boxes = 'rows', 'boxes or classes'
        for what, bad, total, of in (
            ('scores', 'bad_scores', self._anchors, unit),
            (boxes, 'bad_boxes', self._anchors, unit),
            ('keypoints', 'bad_keypoints', count * layout.keypoint_count, 'keypoints'),
            (
                'mask coefficients',
                'bad_coefficients',
                count * layout.coefficient_count,
                'values',
            ),
        ):
            require_finite(what, int(header[bad]), total, of)
        if header['bad_prototypes']:
            raise not_finite('mask prototypes')


def _checked(
    layout: YoloLayout, shapes: Sequence[tuple[int, ...]], dtypes: Sequence[DTypeLike]
) -> tuple[tuple[int, ...], np.dtype]:
    """Shape and type of the output with the boxes."""
    shape, dtype = tuple(shapes[layout.output]), np.dtype(dtypes[layout.output])
    if (
        len(shape) != 3
        or shape[0] != 1
        or shape[2 if layout.channels_last else 1] != (layout.value_count)
        or 0 in shape  # for a black image, from a model that drops rows by itself
    ):
        raise ModelError(
            f'output {layout.output} is {shape}, not (1, …) with {layout.value_count} values per '
            'anchor; load the model again'
        )
    require_float(layout.output, dtype)
    return shape, dtype


def _checked_prototypes(
    layout: YoloLayout, shapes: Sequence[tuple[int, ...]], dtypes: Sequence[DTypeLike]
) -> tuple[tuple[int, ...], np.dtype]:
    """Shape and type of the output with the mask prototypes."""
    shape, dtype = tuple(shapes[layout.prototypes]), np.dtype(dtypes[layout.prototypes])
    if len(shape) != 4 or shape[:2] != (1, layout.coefficient_count) or 0 in shape:
        raise ModelError(
            f'output {layout.prototypes} is {shape}, not (1, {layout.coefficient_count}, …) mask '
            'prototypes; load the model again'
        )
    require_float(layout.prototypes, dtype)
    return shape, dtype
