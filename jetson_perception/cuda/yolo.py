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

from jetson_perception.cuda.buffers import DeviceBuffer, GrowingBuffer, PinnedBuffer
from jetson_perception.cuda.compiler import load_module
from jetson_perception.cuda.release import Resources
from jetson_perception.errors import CudaError, ModelError
from jetson_perception.printable import counted
from jetson_perception.tasks.detection_options import MAX_CANDIDATES, score_thresholds
from jetson_perception.tasks.finite import not_finite, require_finite
from jetson_perception.tasks.instance_masks import axis_on_grid, axis_sizes
from jetson_perception.tasks.results import Detections

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import DTypeLike, NDArray

    from jetson_perception.cuda.device import CudaDevice, Stream
    from jetson_perception.tasks.detection_options import DetectionOptions
    from jetson_perception.tasks.preprocess import ImageTransform
    from jetson_perception.tasks.yolo import YoloLayout

# The same as in yolo.cu.
_THREADS = 512
_BLOCK_ANCHORS = 64
_OVERLAP_BLOCKS = 136
_WORKSPACE_BYTES = 1 << 18
_DETECTED_BYTES = 1 << 15
_HEADER = np.dtype(
    [
        ('count', np.int32),
        ('bad_scores', np.int32),
        ('bad_boxes', np.int32),
        ('bad_keypoints', np.int32),
        ('bad_coefficients', np.int32),
        ('bad_prototypes', np.int32),
        ('unused', np.int32, 2),
    ]
)
_HEADER_VALUES = _HEADER.itemsize // 4
_ROW_VALUES = 6
_AXIS = np.dtype([('begin', np.float64), ('step', np.float64), ('cells', np.int32, 2)])
_FRAME = np.dtype(
    [
        ('axes', _AXIS, 2),
        ('lowest', np.float32),
        ('lowest_half', np.int32),
        ('max_detections', np.int32),
        ('class_agnostic', np.int32),
        ('needed_share', np.float32),
        ('offset_xy', np.float32, 2),
        ('scale_xy', np.float32, 2),
        ('source_wh', np.float32, 2),
        ('threshold_count', np.int32),
    ]
)  # the thresholds follow
# The same as in instance_masks.cu.
_TILE_WH = (32, 16)
_TILE_BLOCK = (32, 8)

_MAX_BYTE = 255  # the most objects whose ids fit into a byte
_FIRST_FRAME_NBYTES = 1024  # room for a threshold per class in most models
_FIRST_VALUE = {'anchor_free': 4, 'objectness': 5, 'end_to_end': 6}  # of the classes, or keypoints


class CudaDecoder:
    """Decodes one engine's frames. One thread at a time may call it.

    Two frames may be under way, each in a result block of its own, 0 or 1. For each frame, call
    `prepare`, `enqueue` (or launch a graph captured from it) and `collect`, in this order.

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
        self.device = device
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
        self._resources = Resources()
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
            self._work = self._buffer((_WORKSPACE_BYTES,), np.uint8)
            self._detected = self._buffer((_DETECTED_BYTES,), np.uint8)
            coefficients = self._max_rows, layout.coefficient_count
            self._coefficients = self._buffer(coefficients, np.float32)
            if layout.coefficient_count:
                masks = self._resources.add(load_module(device, 'instance_masks'))
                name = self._expected[layout.prototypes][1].name
                self._paint = masks.get_function(f'paint_instances_{name}', 'PiiiPPPPP')
            self._blocks = tuple(
                self._resources.add(_Block(device, self._max_rows, layout.keypoint_count, grid_wh))
                for _ in range(2)
            )
            self._work.clear_and_wait()  # every frame leaves the counters at zero for the next

    def prepare(
        self, transform: ImageTransform, options: DetectionOptions, block: int = 0
    ) -> bool:
        """Set up the next frame of a block; nothing is enqueued.

        Parameters
        ----------
        transform : ImageTransform
            From the preprocessing of this frame.
        options : DetectionOptions
            Thresholds.
        block : int
            0 or 1. Its last frame must have been collected.

        Returns
        -------
        bool
            Whether a graph that was captured from this block's `enqueue` is out of date, because
            `max_detections` has changed or, for a model with masks, the image's size. The kernels
            read everything else from memory.

        Raises
        ------
        CudaError
            When the GPU's memory is full.
        """
        return self._blocks[block].prepare(transform, options)

    def enqueue(self, outputs: Sequence[DeviceBuffer], stream: Stream, block: int = 0) -> None:
        """Enqueue the work that finds detections and copies them to the host; capturable.

        Parameters
        ----------
        outputs : sequence of DeviceBuffer
            All of the engine's outputs.
        stream : Stream
            The launches run on it, behind the engine's own work. Always the same stream, or one in
            order with it. The context must be current.
        block : int
            The block that was prepared.

        Raises
        ------
        CudaError
            When the block was not prepared, an output does not have the expected shape or type, or
            a launch fails.
        """
        mine = self._blocks[block]
        if not mine.is_prepared:
            raise CudaError(f'block {block} was enqueued before it was prepared')
        for index, (shape, dtype) in self._expected.items():
            output = outputs[index]
            if output.shape != shape or output.dtype != dtype:
                raise CudaError(
                    f'output {index} is {output.dtype} {output.shape}; expected {dtype} {shape}'
                )
        mine.upload(stream)
        self.enqueue_kernels(outputs, stream, block)
        mine.download(stream)

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

    def close(self) -> None:
        """Release what is on the GPU; may be called twice. No work may be under way."""
        self._resources.close()

    def _enqueue_anchors(self, output: DeviceBuffer, block: _Block, stream: Stream) -> None:
        layout = self.layout
        self._find.launch(
            stream,
            (-(-self._anchors // _BLOCK_ANCHORS),),
            (_THREADS,),
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
            (_OVERLAP_BLOCKS,),
            (_THREADS,),
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

    def _enqueue_end_to_end(self, output: DeviceBuffer, block: _Block, stream: Stream) -> None:
        layout = self.layout
        self._read.launch(
            stream,
            (1,),
            (_THREADS,),
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

    def _enqueue_masks(self, prototypes: DeviceBuffer, block: _Block, stream: Stream) -> None:
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

    def _buffer(self, shape: tuple[int, ...], dtype: DTypeLike) -> DeviceBuffer:
        return self._resources.add(DeviceBuffer(self.device, shape, dtype))


class _Block:
    """Memory for one frame's settings and for its result, on the GPU and on the host."""

    def __init__(
        self,
        device: CudaDevice,
        max_rows: int,
        keypoint_count: int,
        grid_wh: tuple[int, int] | None,
    ) -> None:
        self.is_prepared = False
        self._max_rows = max_rows
        self._keypoint_count = keypoint_count
        self._row_values = _ROW_VALUES + 3 * keypoint_count
        self._grid_wh = grid_wh
        self._wanted_rows = 0
        self._source_wh = (0, 0)
        self._resources = Resources()
        with self._resources.closed_on_error():
            self._frame = self._resources.add(_Upload(device))
            self._frame.ensure(_FIRST_FRAME_NBYTES)
            self._rows = self._resources.add(_Download(device))
            self._rows.ensure(self._rows_nbytes(max_rows))
            self._ids = self._resources.add(_Download(device))

    def prepare(self, transform: ImageTransform, options: DetectionOptions) -> bool:
        """Write what the kernels read; returns whether that changes launches or copies."""
        before = self._launched
        self.is_prepared = False  # in case the rest fails
        self._wanted_rows = min(options.max_detections, self._max_rows)
        self._source_wh = transform.source_wh
        self._write_frame(transform, options)
        if self._grid_wh is not None:
            self._ids.ensure(self._ids_nbytes(self._wanted_rows))
        self.is_prepared = True
        return self._launched != before

    @property
    def frame_address(self) -> int:
        return self._frame.address

    @property
    def result_address(self) -> int:
        return self._rows.address

    @property
    def ids_address(self) -> int:
        return self._ids.address

    @property
    def tiles(self) -> tuple[int, int]:
        """Number of blocks across and down that cover the source image."""
        width, height = self._source_wh
        return -(-width // _TILE_WH[0]), -(-height // _TILE_WH[1])

    def upload(self, stream: Stream) -> None:
        self._frame.enqueue(stream)

    def download(self, stream: Stream) -> None:
        self._rows.enqueue(stream, self._rows_nbytes(self._wanted_rows))
        if self._grid_wh is not None:
            self._ids.enqueue(stream, self._ids_nbytes(self._wanted_rows))

    def header(self) -> Any:
        count_and_more = self._rows.array[: _HEADER.itemsize].view(_HEADER)[0]
        count = int(count_and_more['count'])
        if not 0 <= count <= self._wanted_rows:
            raise CudaError(
                f'the GPU reports {counted(count, "detection")} of at most {self._wanted_rows}; '
                'collect '
                'after the stream has passed the frame'
            )
        return count_and_more

    def result(self) -> Detections:
        count = int(self.header()['count'])
        values = self._rows.array.view(np.float32)
        rows = values[_HEADER_VALUES:][: count * self._row_values].reshape(count, self._row_values)
        return Detections(
            rows[:, :4].copy(),
            rows[:, 4].copy(),
            rows[:, 5].copy().view(np.int32),
            self._keypoints(rows),
            self._instance_ids(count),
        )

    def close(self) -> None:
        self.is_prepared = False
        self._resources.close()

    @property
    def _launched(self) -> tuple[object, ...]:
        """What a graph of this block depends on."""
        masks_wh = self._source_wh if self._grid_wh is not None else None
        return self.is_prepared, self._wanted_rows, self._frame.nbytes, masks_wh

    def _keypoints(self, rows: NDArray[np.float32]) -> NDArray[np.float32] | None:
        if not self._keypoint_count:
            return None
        return rows[:, _ROW_VALUES:].reshape(len(rows), self._keypoint_count, 3).copy()

    def _instance_ids(self, count: int) -> NDArray[np.uint8] | NDArray[np.uint16] | None:
        if self._grid_wh is None:
            return None
        width, height = self._source_wh
        ids = self._ids.array[: self._ids_nbytes(count)]
        if count > _MAX_BYTE:
            return ids.view(np.uint16).reshape(height, width).copy()
        return ids.reshape(height, width).copy()

    def _rows_nbytes(self, count: int) -> int:
        return (_HEADER_VALUES + count * self._row_values) * 4

    def _ids_nbytes(self, count: int) -> int:
        return self._source_wh[0] * self._source_wh[1] * (2 if count > _MAX_BYTE else 1)

    def _write_frame(self, transform: ImageTransform, options: DetectionOptions) -> None:
        lowest, thresholds = score_thresholds(options)
        end = _FRAME.itemsize + thresholds.nbytes
        self._frame.ensure(end)
        data = self._frame.array
        data[_FRAME.itemsize : end] = thresholds.view(np.uint8)
        frame = data[: _FRAME.itemsize].view(_FRAME)[0]
        frame['lowest'] = lowest
        frame['lowest_half'] = int(np.float16(lowest).view(np.int16)) - 1
        frame['max_detections'] = self._wanted_rows
        frame['class_agnostic'] = options.class_agnostic
        frame['needed_share'] = options.iou_threshold / (1 + options.iou_threshold)
        frame['offset_xy'] = transform.offset_xy
        frame['scale_xy'] = np.divide(transform.source_wh, transform.content_wh)
        frame['source_wh'] = transform.source_wh
        frame['threshold_count'] = len(thresholds)
        if self._grid_wh is not None:
            frame['axes'] = _axes(transform, self._grid_wh)


class _Upload:
    """Bytes that are uploaded to the GPU with each frame."""

    def __init__(self, device: CudaDevice) -> None:
        self.nbytes = 0
        self._on_host = GrowingBuffer(lambda size: PinnedBuffer(device, (size,), np.uint8))
        self._on_device = GrowingBuffer(lambda size: DeviceBuffer(device, (size,), np.uint8))

    @property
    def array(self) -> NDArray[np.uint8]:
        return self._on_host.ensure(self.nbytes).array

    @property
    def address(self) -> int:
        return self._on_device.ensure(self.nbytes).address

    def ensure(self, nbytes: int) -> None:
        """Make room for this many bytes, in few steps, since each makes graphs out of date."""
        if self.nbytes < nbytes:
            self.nbytes = 1 << (nbytes - 1).bit_length()
            self._on_host.ensure(self.nbytes)
            self._on_device.ensure(self.nbytes)

    def enqueue(self, stream: Stream) -> None:
        host = self._on_host.ensure(self.nbytes)
        self._on_device.ensure(self.nbytes).copy_from_host(host, stream, self.nbytes)

    def close(self) -> None:
        try:
            self._on_host.close()
        finally:
            self._on_device.close()


class _Download:
    """Bytes that kernels write for the host; directly there, if the GPU shares its memory."""

    def __init__(self, device: CudaDevice) -> None:
        mapped = self._is_shared = device.integrated
        self._nbytes = 0
        self._on_host = GrowingBuffer(
            lambda size: PinnedBuffer(device, (size,), np.uint8, mapped=mapped)
        )
        self._on_device = GrowingBuffer(lambda size: DeviceBuffer(device, (size,), np.uint8))

    @property
    def array(self) -> NDArray[np.uint8]:
        return self._on_host.ensure(self._nbytes).array

    @property
    def address(self) -> int:
        on = self._on_host if self._is_shared else self._on_device
        return on.ensure(self._nbytes).address or 0

    def ensure(self, nbytes: int) -> None:
        """Make room for this many bytes."""
        self._nbytes = max(self._nbytes, nbytes)
        self._on_host.ensure(self._nbytes)
        if not self._is_shared:
            self._on_device.ensure(self._nbytes)

    def enqueue(self, stream: Stream, nbytes: int) -> None:
        """Copy the first `nbytes` to the host, if that is needed."""
        if not self._is_shared:
            host = self._on_host.ensure(self._nbytes)
            self._on_device.ensure(self._nbytes).copy_to_host(host, stream, nbytes)

    def close(self) -> None:
        try:
            self._on_host.close()
        finally:
            self._on_device.close()


def _axes(transform: ImageTransform, grid_wh: tuple[int, int]) -> list[tuple[Any, ...]]:
    """The values of `_AXIS`, for columns and for rows."""
    axes = (axis_on_grid(*sizes) for sizes in axis_sizes(transform, grid_wh))
    return [(axis.begin, axis.step, (axis.first, axis.last)) for axis in axes]


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
    _require_float(layout.output, dtype)
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
    _require_float(layout.prototypes, dtype)
    return shape, dtype


def _require_float(output: int, dtype: np.dtype) -> None:
    if dtype not in (np.float16, np.float32):
        raise ModelError(
            f'output {output} is {dtype}; the GPU decodes float16 and float32: export the model '
            'with one of these types'
        )
