"""Finds detections on the GPU for detectors that are no YOLO: the twin of `decode_boxes`.

Scores that the network gives, classes and boxes equal those of `tasks.detectors.decoding` to the
last bit, and the same values are refused as not finite. What takes an exponential, like scores of
logits or boxes of distributions, may differ in the last bits, and what depends on it: a score at
its threshold, and the order of scores that differ as little. At most `MAX_CANDIDATES` boxes are
used of networks that suppress by themselves.
"""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from jetson_perception.cuda.block_decoder import BlockDecoder
from jetson_perception.cuda.compiler import load_module
from jetson_perception.cuda.detection_blocks import (
    DETECTED_BYTES,
    OVERLAP_BLOCKS,
    THREADS,
    Block,
    kind_of,
    require_float,
)
from jetson_perception.cuda.preprocess import upload
from jetson_perception.errors import ModelError
from jetson_perception.printable import counted
from jetson_perception.tasks.cells import cell_count
from jetson_perception.tasks.detection_options import MAX_CANDIDATES
from jetson_perception.tasks.detectors.box_layout import Columns, JoinedColumns
from jetson_perception.tasks.finite import require_finite

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import DTypeLike

    from jetson_perception.cuda.buffers import DeviceBuffer
    from jetson_perception.cuda.device import CudaDevice, Stream
    from jetson_perception.tasks.detectors.box_layout import BoxLayout
    from jetson_perception.tasks.results import Detections

# The same as in boxes.cu.
_PAIRS_PER_BLOCK = 4 * THREADS
_ROWS_PER_BLOCK = THREADS // 8
_MAX_LEVELS = 4
_ACTIVATIONS = {'': 0, 'sigmoid': 1, 'softmax': 2}
_RELATIVE = {False: 0, True: 1, None: 2}
_COLUMNS = np.dtype([(name, np.int32) for name in ('kind', 'first', 'row_stride', 'value_stride')])
_LEVEL = np.dtype([(name, np.int32) for name in ('first_row', 'width', 'stride')])
_NUMBERS = (
    *('rows', 'score_columns', 'class_limit', 'activation', 'corners', 'relative', 'rows_first'),
    *('unit', 'bins', 'level_count', 'suppresses', 'clips'),
)
_LAYOUT = np.dtype(
    [
        *((name, _COLUMNS) for name in ('boxes', 'scores', 'classes', 'objectness', 'image')),
        ('count', _COLUMNS),
        *((name, np.int32) for name in _NUMBERS),
        ('cell_center', np.float32),
        ('network_wh', np.float32, 2),
        ('levels', _LEVEL, _MAX_LEVELS),
    ]
)
_HEADER = np.dtype(
    [
        (name, np.int32)
        for name in (
            *('count', 'bad_classes', 'bad_scores', 'bad_boxes', 'bad_sizes', 'used_rows'),
            *('chosen', 'unused'),
        )
    ]
)


class CudaBoxDecoder(BlockDecoder):
    """Decodes outputs of one engine, of a detector that is no YOLO.

    Parameters
    ----------
    device : CudaDevice
        The GPU.
    layout : BoxLayout
        What the engine's outputs contain.
    network_wh : tuple of int
        Width and height of the network's input, pixels.
    output_shapes : sequence of tuple of int
        The shapes of all outputs, from a run.
    output_dtypes : sequence of dtype
        The types of all outputs. Scores must be float32 or float16, other columns that the layout
        names these, int32 or int64.

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
        layout: BoxLayout,
        network_wh: tuple[int, int],
        output_shapes: Sequence[tuple[int, ...]],
        output_dtypes: Sequence[DTypeLike],
    ) -> None:
        super().__init__(device)
        shapes = [tuple(shape) for shape in output_shapes]
        dtypes = [np.dtype(dtype) for dtype in output_dtypes]
        self._expected = {
            index: (shapes[index], dtypes[index]) for index in sorted(_named(layout))
        }
        joined = _Joining(layout, shapes, dtypes)
        self.layout = layout = joined.layout
        shapes, dtypes = joined.shapes, joined.dtypes
        described = described_layout(layout, network_wh, shapes, dtypes)
        self._rows = int(described['rows'][0])
        self._values = self._rows * int(described['score_columns'][0])
        several, scores = layout.several_classes_a_row, dtypes[_one(layout.scores).output]
        listed = self._values if several else self._rows
        self._blocks_to_find = -(-listed // (_PAIRS_PER_BLOCK if several else _ROWS_PER_BLOCK))
        with self._resources.closed_on_error():
            module = self._resources.add(load_module(device, 'boxes'))
            kernel = f'find_pairs_{scores.name}' if several else f'find_best_{scores.name}'
            self._find = module.get_function(kernel, 'P' * (9 if several else 14))
            self._suppress = module.get_function('suppress_boxes', 'PPPP')
            self._described = self._buffer((1,), _LAYOUT)
            self._joined = [
                (self._buffer(shape, dtype), parts) for shape, dtype, parts in joined.joins
            ]
            # For one frame at a time, because frames follow each other on the stream.
            self._keys = self._buffer((listed,), np.uint64)
            self._chosen = self._buffer((self._rows,), np.uint64)
            self._class_ids = self._buffer((self._rows,), np.int32)
            self._work = self._workspace()
            self._detected = self._buffer((DETECTED_BYTES,), np.uint8)
            most = min(self._rows, MAX_CANDIDATES)
            self._blocks = tuple(
                self._resources.add(Block(device, most, activation=layout.activation))
                for _ in range(2)
            )
            upload(described, self._described)

    def enqueue_kernels(
        self, outputs: Sequence[DeviceBuffer], stream: Stream, block: int = 0
    ) -> None:
        """`enqueue` without the copies, for measurements."""
        layout, mine = self.layout, self._blocks[block]
        for joined, parts in self._joined:
            offset = 0
            for output in (outputs[index] for index in parts):
                joined.copy_from_address(output.address, stream, output.nbytes, offset)
                offset += output.nbytes
        outputs = [*outputs, *(joined for joined, _ in self._joined)]

        def address(columns: Columns | JoinedColumns | None) -> int:
            return 0 if columns is None else outputs[_one(columns).output].address

        read = [address(layout.scores), address(layout.boxes)]
        class_ids = []
        if not layout.several_classes_a_row:
            read += [address(each) for each in (layout.classes, layout.objectness, layout.image)]
            read += [0 if layout.count is None else outputs[layout.count].address]
            class_ids = [self._class_ids.address]
        self._find.launch(
            stream,
            (self._blocks_to_find,),
            (THREADS,),
            *read,
            self._described.address,
            mine.frame_address,
            self._keys.address,
            self._chosen.address,
            *class_ids,
            self._work.address,
            self._detected.address,
            mine.result_address,
        )
        if layout.suppresses:
            self._suppress.launch(
                stream,
                (OVERLAP_BLOCKS,),
                (THREADS,),
                mine.frame_address,
                self._work.address,
                self._detected.address,
                mine.result_address,
            )

    def collect(self, block: int = 0) -> Detections:
        """The detections of a block's frame, once the stream has passed it; new arrays.

        Raises
        ------
        ModelError
            When values are not finite; see `tasks.detectors.decoding.decode_boxes`.
        """
        mine = self._blocks[block]
        self._require_finite(mine.header(_HEADER))
        return mine.result()

    def _require_finite(self, header: Any) -> None:
        """Refuse a result if the kernels met values that are not finite, as the twin does."""
        several, chosen = self.layout.several_classes_a_row, int(header['chosen'])
        scores, unit = int(header['used_rows']), 'rows'
        if several:
            scores, unit = self._values, 'values'
        require_finite('classes', int(header['bad_classes']), self._rows, 'rows')
        require_finite('scores', int(header['bad_scores']), scores, unit)
        require_finite('boxes', int(header['bad_boxes']), chosen, 'rows')
        require_finite('boxes', int(header['bad_sizes']), chosen, 'rows')


class _Joining:
    """Outputs whose rows follow each other, as one output behind all others.

    Their rows are in memory as they are read, so what joins them is a copy of each.

    Attributes
    ----------
    layout : BoxLayout
        Of the outputs with those behind them.
    shapes, dtypes : list
        Of these.
    joins : list of tuple
        Shape and type of each output that is added, and the outputs that it is made of.
    """

    def __init__(
        self,
        layout: BoxLayout,
        shapes: Sequence[tuple[int, ...]],
        dtypes: Sequence[np.dtype],
    ) -> None:
        self.shapes, self.dtypes = list(shapes), list(dtypes)
        self.joins: list[tuple[tuple[int, int], np.dtype, tuple[int, ...]]] = []
        self.layout = replace(
            layout, boxes=self._joined(layout.boxes), scores=self._joined(layout.scores)
        )

    def _joined(self, columns: Columns | JoinedColumns) -> Columns:
        if isinstance(columns, Columns):
            return columns
        parts = tuple(each.output for each in columns.parts)
        shapes, dtypes = (
            [self.shapes[each] for each in parts],
            {self.dtypes[each] for each in parts},
        )
        if any(each != Columns(each.output) for each in columns.parts) or len(dtypes) > 1:
            raise ModelError(
                f'outputs {", ".join(map(str, parts))} are {shapes}, one for each stride; the GPU '
                'decodes these where all have one type and their columns last'
            )
        found = [_placed(each, self.shapes[each.output])[0] for each in columns.parts]
        rows, widths = sum(rows for rows, _ in found), {width for _, width in found}
        if len(widths) > 1:
            raise ModelError(
                f'outputs {", ".join(map(str, parts))} are {shapes}, where as many columns are '
                'expected in each; load the model again'
            )
        self.joins.append(((rows, widths.pop()), dtypes.pop(), parts))
        self.shapes.append(self.joins[-1][0])
        self.dtypes.append(self.joins[-1][1])
        return Columns(len(self.shapes) - 1)


def _one(columns: Columns | JoinedColumns) -> Columns:
    """Columns of one output: what joins others has become one."""
    assert isinstance(columns, Columns)
    return columns


def _named(layout: BoxLayout) -> set[int]:
    """Indices of the outputs that the layout reads."""
    columns = (layout.boxes, layout.scores, layout.classes, layout.objectness, layout.image)
    named = set() if layout.count is None else {layout.count}
    for each in columns:
        if each is not None:
            parts = each.parts if isinstance(each, JoinedColumns) else (each,)
            named = {*named, *(part.output for part in parts)}
    return named


def described_layout(
    layout: BoxLayout,
    network_wh: tuple[int, int],
    shapes: Sequence[tuple[int, ...]],
    dtypes: Sequence[np.dtype],
) -> Any:
    """The layout as the kernels read it.

    Raises
    ------
    ModelError
        When outputs do not have the layout's shapes, or have types that the kernels do not read.
    """
    described = np.zeros(1, _LAYOUT)
    index = _one(layout.scores).output
    require_float(index, dtypes[index])
    sizes: dict[str, tuple[int, int]] = {}
    for name in ('boxes', 'scores', 'classes', 'objectness', 'image'):
        columns: Columns | None = getattr(layout, name)
        if columns is not None:
            index = columns.output
            sizes[name], places = _placed(columns, shapes[index])
            described[name] = (kind_of(index, dtypes[index]), *places)
    if layout.count is not None:
        described['count'] = (kind_of(layout.count, dtypes[layout.count]), 0, 0, 0)
    rows, columns_of_scores = sizes['scores']
    box_values = 4 * max(layout.bins, 1)
    cells = cell_count(network_wh, layout.grid) if layout.grid else rows
    if sizes['boxes'][1] != box_values or {cells, *(size[0] for size in sizes.values())} != {rows}:
        raise ModelError(
            f'rows and columns of boxes, scores and classes are {sizes}, where '
            f'{counted(rows, "row")} and {counted(box_values, "value")} a box are expected; '
            f'load the model again'
        )
    values = {
        'rows': rows,
        'score_columns': columns_of_scores,
        'class_limit': layout.class_count or np.iinfo(np.int32).max,
        'activation': _ACTIVATIONS[layout.activation],
        'relative': _RELATIVE[layout.relative],
        'level_count': len(layout.grid),
    }
    for name in ('corners', 'rows_first', 'unit', 'bins', 'suppresses', 'clips', 'cell_center'):
        values[name] = getattr(layout, name)
    for name, value in values.items():
        described[name] = value
    described['network_wh'] = network_wh
    first = 0
    for level, stride in enumerate(layout.grid):
        width, height = (-(-side // stride) for side in network_wh)
        described['levels'][0, level] = first, width, stride
        first += width * height
    return described


def _placed(columns: Columns, shape: tuple[int, ...]) -> tuple[tuple[int, int], tuple[int, ...]]:
    """Number of rows and columns; where the first value is, and the steps to the next ones.

    As `Columns.read` finds them, in an output without gaps.
    """
    dimensions = 1 if columns.count == 0 else 2
    kept = list(shape)
    while len(kept) > dimensions and kept[0] == 1:
        del kept[0]
    if len(kept) == dimensions + 1 and kept[-1] == 1:
        del kept[-1]
    if len(kept) != dimensions or not math.prod(kept):
        raise ModelError(
            f'output {columns.output} is {shape}; the GPU decodes outputs of one image with a '
            'fixed number of rows'
        )
    if dimensions == 1:
        return (kept[0], 1), (0, 1, 0)
    rows, all_columns = reversed(kept) if columns.transposed else kept
    count = all_columns - columns.first if columns.count < 0 else columns.count
    if count < 1 or columns.first + count > all_columns:
        raise ModelError(
            f'output {columns.output} is {shape}, without the columns that it had when the model '
            'was loaded; load the model again'
        )
    strides = (1, rows) if columns.transposed else (all_columns, 1)
    return (rows, count), (columns.first * strides[1], *strides)
