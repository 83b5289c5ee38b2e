"""Memory for what the kernels that find objects read and write with each frame."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from jetson_perception.cuda.buffers import DeviceBuffer, GrowingBuffer, PinnedBuffer
from jetson_perception.cuda.release import Resources
from jetson_perception.errors import CudaError, ModelError
from jetson_perception.printable import counted
from jetson_perception.tasks.detection_options import score_thresholds
from jetson_perception.tasks.detectors.decoding import least_value
from jetson_perception.tasks.instance_masks import axis_on_grid, axis_sizes
from jetson_perception.tasks.results import Detections

if TYPE_CHECKING:
    from collections.abc import Iterable

    from numpy.typing import NDArray

    from jetson_perception.cuda.device import CudaDevice, Stream
    from jetson_perception.tasks.detection_options import DetectionOptions
    from jetson_perception.tasks.preprocess import ImageTransform

# The same as in candidates.cuh and detections.cuh.
THREADS = 512
OVERLAP_BLOCKS = 136
WORKSPACE_BYTES = 1 << 18
DETECTED_BYTES = 1 << 15
HEADER = np.dtype(
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
_HEADER_VALUES = HEADER.itemsize // 4
_ROW_VALUES = 6
_ORIENTED_VALUES = 5
_AXIS = np.dtype([('begin', np.float64), ('step', np.float64), ('cells', np.int32, 2)])
_FRAME = np.dtype(
    [
        ('axes', _AXIS, 2),
        ('lowest', np.float32),
        ('least_value', np.float32),
        ('lowest_half', np.int32),
        ('max_detections', np.int32),
        ('class_agnostic', np.int32),
        ('iou_threshold', np.float32),
        ('needed_share', np.float32),
        ('offset_xy', np.float32, 2),
        ('scale_xy', np.float32, 2),
        ('source_wh', np.float32, 2),
        ('threshold_count', np.int32),
    ]
)  # the thresholds follow
# The same as in values.cuh.
_KINDS = {'float32': 1, 'float16': 2, 'int32': 3, 'int64': 4}
# The same as in instance_masks.cu.
_TILE_WH = (32, 16)

_MAX_BYTE = 255  # the most objects whose ids fit into a byte
_FIRST_FRAME_NBYTES = 1024  # room for a threshold per class in most models


class Block:
    """Memory for one frame's settings and for its result, on the GPU and on the host."""

    def __init__(
        self,
        device: CudaDevice,
        max_rows: int,
        keypoint_count: int = 0,
        grid_wh: tuple[int, int] | None = None,
        activation: str = '',
        *,
        oriented: bool = False,
    ) -> None:
        self._is_prepared = False
        self._activation = activation
        self._max_rows = max_rows
        self._keypoint_count = keypoint_count
        self._oriented = oriented
        self._row_values = _ROW_VALUES + (_ORIENTED_VALUES if oriented else 3 * keypoint_count)
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
        self._is_prepared = False  # in case the rest fails
        self._wanted_rows = min(options.max_detections, self._max_rows)
        self._source_wh = transform.source_wh
        self._write_frame(transform, options)
        if self._grid_wh is not None:
            self._ids.ensure(self._ids_nbytes(self._wanted_rows))
        self._is_prepared = True
        return self._launched != before

    def require_prepared(self, number: int) -> None:
        """Refuse a block, of this number, that was not prepared."""
        if not self._is_prepared:
            raise CudaError(f'block {number} was enqueued before it was prepared')

    @property
    def frame_address(self) -> int:
        """Where the kernels read what may change from frame to frame."""
        return self._frame.address

    @property
    def result_address(self) -> int:
        """Where the kernels write header and rows."""
        return self._rows.address

    @property
    def ids_address(self) -> int:
        """Where the kernels write the ids of instance masks."""
        return self._ids.address

    @property
    def tiles(self) -> tuple[int, int]:
        """Number of blocks across and down that cover the source image."""
        width, height = self._source_wh
        return -(-width // _TILE_WH[0]), -(-height // _TILE_WH[1])

    def upload(self, stream: Stream) -> None:
        """Enqueue the copy of the settings to the GPU."""
        self._frame.enqueue(stream)

    def download(self, stream: Stream) -> None:
        """Enqueue the copy of the result to the host."""
        self._rows.enqueue(stream, self._rows_nbytes(self._wanted_rows))
        if self._grid_wh is not None:
            self._ids.enqueue(stream, self._ids_nbytes(self._wanted_rows))

    def header(self, dtype: np.dtype = HEADER) -> Any:
        """What the kernels say about the result; `dtype` has the size of `HEADER`, and a count."""
        count_and_more = self._rows.array[: HEADER.itemsize].view(dtype)[0]
        count = int(count_and_more['count'])
        if not 0 <= count <= self._wanted_rows:
            raise CudaError(
                f'the GPU reports {counted(count, "detection")} of at most {self._wanted_rows}; '
                'collect after the stream has passed the frame'
            )
        return count_and_more

    def result(self) -> Detections:
        """The detections, once the stream has passed the frame; new arrays."""
        count = int(self.header()['count'])
        values = self._rows.array.view(np.float32)
        rows = values[_HEADER_VALUES:][: count * self._row_values].reshape(count, self._row_values)
        return Detections(
            rows[:, :4].copy(),
            rows[:, 4].copy(),
            rows[:, 5].copy().view(np.int32),
            self._keypoints(rows),
            self._instance_ids(count),
            oriented=rows[:, _ROW_VALUES:].copy() if self._oriented else None,
        )

    def close(self) -> None:
        """Release the memory; may be called twice."""
        self._is_prepared = False
        self._resources.close()

    @property
    def _launched(self) -> tuple[object, ...]:
        """What a graph of this block depends on."""
        masks_wh = self._source_wh if self._grid_wh is not None else None
        return self._is_prepared, self._wanted_rows, self._frame.nbytes, masks_wh

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
        frame['least_value'] = least_value(lowest, self._activation)
        frame['lowest_half'] = int(np.float16(lowest).view(np.int16)) - 1
        frame['max_detections'] = self._wanted_rows
        frame['class_agnostic'] = options.class_agnostic
        frame['iou_threshold'] = options.iou_threshold
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


def require_float(output: int, dtype: np.dtype) -> None:
    """Refuse an output whose type the kernels do not read."""
    if dtype not in (np.float16, np.float32):
        raise ModelError(
            f'output {output} is {dtype}; the GPU decodes float16 and float32: export the model '
            'with one of these types'
        )


def kind_of(output: int, dtype: np.dtype, kinds: Iterable[str] = tuple(_KINDS)) -> int:
    """The number of a type, of those that the kernels read.

    Raises
    ------
    ModelError
        When the kernels do not read it.
    """
    if dtype.name not in kinds:
        raise ModelError(
            f'output {output} is {dtype}; the GPU decodes {", ".join(kinds)}: export the model '
            'with one of these types'
        )
    return _KINDS[dtype.name]
