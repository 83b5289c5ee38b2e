"""Detections out of YOLO outputs on the GPU: the twin of `tasks.yolo.decode`.

Boxes, scores, classes and keypoints are the twin's to the last bit, but for corners that no
network reaches: a score of -0 counts as 0 also in float16; of an end-to-end output at most
`MAX_CANDIDATES` rows are taken; and boxes whose corners are near the largest float32 are dropped
when their sum overflows, which depends on its order.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from jetson_perception.cuda.buffers import DeviceBuffer, GrowingBuffer, PinnedBuffer
from jetson_perception.cuda.compiler import load_module
from jetson_perception.cuda.release import Resources
from jetson_perception.errors import CudaError, ModelError
from jetson_perception.tasks.results import Detections
from jetson_perception.tasks.yolo import MAX_CANDIDATES, score_thresholds

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import DTypeLike

    from jetson_perception.cuda.device import CudaDevice, Stream
    from jetson_perception.tasks.preprocess import ImageTransform
    from jetson_perception.tasks.yolo import DetectionOptions, YoloLayout

# Of yolo.cu.
_THREADS = 512
_BLOCK_ANCHORS = 64
_OVERLAP_BLOCKS = 136
_WORKSPACE_BYTES = 1 << 18
_DETECTED_BYTES = 1 << 15
_HEADER_VALUES = 8
_ROW_VALUES = 6
_FRAME = np.dtype(
    [
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
_FIRST_FRAME_NBYTES = 1024  # with room for as many thresholds as most models have classes
_FIRST_VALUE = {'anchor_free': 4, 'objectness': 5, 'end_to_end': 6}  # of the classes, or keypoints


class CudaDecoder:
    """Detections of one engine's frames. One thread at a time may call it.

    Two frames may be under way, each in a result block of its own, 0 or 1. Of each frame, in this
    order: `prepare`, `enqueue` (or a graph that was captured from it), `collect`.

    Parameters
    ----------
    device : CudaDevice
        The GPU.
    layout : YoloLayout
        What the engine's outputs hold.
    output_shapes : sequence of tuple of int
        Of all outputs, as a run gave them.
    output_dtypes : sequence of dtype
        Of all outputs; those that the layout names are float32 or float16.

    Raises
    ------
    ModelError
        When an output does not have the layout's shape, or another type.
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
        self._shape, self._dtype = shape, dtype
        self._anchors = shape[1 if layout.channels_last else 2]
        self._strides = (layout.value_count, 1) if layout.channels_last else (1, self._anchors)
        self._max_rows = min(self._anchors, MAX_CANDIDATES)
        self._resources = Resources()
        with self._resources.closed_on_error():
            module = self._resources.add(load_module(device, 'yolo'))
            if layout.family == 'end_to_end':
                self._read = module.get_function(f'read_end_to_end_{dtype.name}', 'PiiifiiPPPPP')
            else:
                self._find = module.get_function(f'find_candidates_{dtype.name}', 'PiiiiiPPPP')
                self._suppress = module.get_function(f'suppress_{dtype.name}', 'PiiiiiPPPP')
            # Of one frame at a time, as frames follow each other on the stream.
            self._keys = self._buffer((self._anchors,), np.uint64)
            self._class_ids = self._buffer((self._anchors,), np.int32)
            self._work = self._buffer((_WORKSPACE_BYTES,), np.uint8)
            self._detected = self._buffer((_DETECTED_BYTES,), np.uint8)
            self._blocks = tuple(
                self._resources.add(_Block(device, self._max_rows, layout.keypoint_count))
                for _ in range(2)
            )
            self._clear_counters()

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
            Whether a graph that was captured from `enqueue` of this block is out of date, as
            `max_detections` is another than before. All else is read from memory by the kernels.

        Raises
        ------
        CudaError
            When the GPU's memory is full.
        """
        return self._blocks[block].prepare(transform, options)

    def enqueue(self, outputs: Sequence[DeviceBuffer], stream: Stream, block: int = 0) -> None:
        """Let the GPU find the detections and copy them to the host; this can be captured.

        Parameters
        ----------
        outputs : sequence of DeviceBuffer
            All of the engine's.
        stream : Stream
            Where the launches go, behind the engine's own work. Always the same one, or in order
            with it. The context has to be current.
        block : int
            The block that was prepared.

        Raises
        ------
        CudaError
            When the block was not prepared, an output has another shape or type than it was said
            to have, or a launch fails.
        """
        mine, output = self._blocks[block], outputs[self.layout.output]
        if not mine.is_prepared:
            raise CudaError(f'block {block} was enqueued without having been prepared')
        if output.shape != self._shape or output.dtype != self._dtype:
            raise CudaError(
                f'the output is {output.dtype} {output.shape}; it was said to be '
                f'{self._dtype} {self._shape}'
            )
        mine.upload(stream)
        self.enqueue_kernels(outputs, stream, block)
        mine.download(stream)

    def enqueue_kernels(
        self, outputs: Sequence[DeviceBuffer], stream: Stream, block: int = 0
    ) -> None:
        """The launches of `enqueue` without its copies, for measuring."""
        if self.layout.family == 'end_to_end':
            self._enqueue_end_to_end(outputs[self.layout.output], self._blocks[block], stream)
        else:
            self._enqueue_anchors(outputs[self.layout.output], self._blocks[block], stream)

    def collect(self, block: int = 0) -> Detections:
        """The detections of a block's frame, once the stream is past it.

        In arrays of their own; as `tasks.yolo.decode` would return them.
        """
        return self._blocks[block].result()

    def close(self) -> None:
        """Release what is on the GPU; twice is harmless. No work may be under way."""
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
            block.frame_address,
            self._work.address,
            self._detected.address,
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
            block.frame_address,
            self._keys.address,
            self._work.address,
            self._detected.address,
            block.result_address,
        )

    def _buffer(self, shape: tuple[int, ...], dtype: DTypeLike) -> DeviceBuffer:
        return self._resources.add(DeviceBuffer(self.device, shape, dtype))

    def _clear_counters(self) -> None:
        """Zeros for the first frame; every frame leaves zeros for the next."""
        temporary = Resources()
        with temporary.closed_on_error(), self.device.pushed():
            stream = temporary.add(self.device.new_stream())
            self._work.clear(stream)
            stream.synchronize()
        temporary.close()


class _Block:
    """What one frame brings along and where its result goes, on the GPU and on the host."""

    def __init__(self, device: CudaDevice, max_rows: int, keypoint_count: int) -> None:
        self.is_prepared = False
        self._max_rows = max_rows
        self._keypoint_count = keypoint_count
        self._row_values = _ROW_VALUES + 3 * keypoint_count
        self._downloaded_rows = 0
        self._resources = Resources()
        add = self._resources.add
        with self._resources.closed_on_error():
            self._frame = add(GrowingBuffer(lambda size: DeviceBuffer(device, (size,), np.uint8)))
            self._host_frame = add(
                GrowingBuffer(lambda size: PinnedBuffer(device, (size,), np.uint8))
            )
            self._frame_nbytes = _FIRST_FRAME_NBYTES
            size = _HEADER_VALUES + max_rows * self._row_values
            # A GPU that shares the host's memory writes the result right there.
            self._host_result = add(
                PinnedBuffer(device, (size,), np.float32, mapped=device.integrated)
            )
            self._result: DeviceBuffer | None = None
            if not device.integrated:
                self._result = add(DeviceBuffer(device, (size,), np.float32))

    def prepare(self, transform: ImageTransform, options: DetectionOptions) -> bool:
        """Write what the kernels read; returns whether launches or copies change by it."""
        before = self._launched
        self.is_prepared = False  # should what follows fail
        self._write_frame(transform, options)
        self._downloaded_rows = min(options.max_detections, self._max_rows)
        self.is_prepared = True
        return self._launched != before

    @property
    def frame_address(self) -> int:
        return self._frame.ensure(self._frame_nbytes).address

    @property
    def result_address(self) -> int:
        return (self._result or self._host_result).address or 0

    def upload(self, stream: Stream) -> None:
        host = self._host_frame.ensure(self._frame_nbytes)
        self._frame.ensure(self._frame_nbytes).copy_from_host(host, stream, self._frame_nbytes)

    def download(self, stream: Stream) -> None:
        if self._result is not None:
            values = _HEADER_VALUES + self._downloaded_rows * self._row_values
            self._result.copy_to_host(self._host_result, stream, values * 4)

    def result(self) -> Detections:
        values = self._host_result.array
        count = int(values[:1].view(np.int32)[0])
        if not 0 <= count <= self._downloaded_rows:
            raise CudaError(
                f'the GPU reports {count} detections of at most {self._downloaded_rows}; collect '
                'after the stream is past the frame'
            )
        rows = values[_HEADER_VALUES:].reshape(-1, self._row_values)[:count]
        keypoints = None
        if self._keypoint_count:
            keypoints = rows[:, _ROW_VALUES:].reshape(count, self._keypoint_count, 3).copy()
        return Detections(
            rows[:, :4].copy(), rows[:, 4].copy(), rows[:, 5].copy().view(np.int32), keypoints
        )

    def close(self) -> None:
        self.is_prepared = False
        self._resources.close()

    @property
    def _launched(self) -> tuple[object, ...]:
        """What differs between two graphs of this block."""
        return self.is_prepared, self._downloaded_rows, self._frame_nbytes

    def _write_frame(self, transform: ImageTransform, options: DetectionOptions) -> None:
        lowest, thresholds = score_thresholds(options)
        needed = _FRAME.itemsize + thresholds.nbytes
        if self._frame_nbytes < needed:
            # In few steps, as each makes graphs out of date.
            self._frame_nbytes = 1 << (needed - 1).bit_length()
        self._frame.ensure(self._frame_nbytes)
        data = self._host_frame.ensure(self._frame_nbytes).array
        frame = data[: _FRAME.itemsize].view(_FRAME)[0]
        frame['lowest'] = lowest
        frame['lowest_half'] = int(np.float16(lowest).view(np.int16)) - 1
        frame['max_detections'] = min(options.max_detections, self._max_rows)
        frame['class_agnostic'] = options.class_agnostic
        frame['needed_share'] = options.iou_threshold / (1 + options.iou_threshold)
        frame['offset_xy'] = transform.offset_xy
        frame['scale_xy'] = np.divide(transform.source_wh, transform.content_wh)
        frame['source_wh'] = transform.source_wh
        frame['threshold_count'] = len(thresholds)
        data[_FRAME.itemsize : needed] = thresholds.view(np.uint8)


def _checked(
    layout: YoloLayout, shapes: Sequence[tuple[int, ...]], dtypes: Sequence[DTypeLike]
) -> tuple[tuple[int, ...], np.dtype]:
    """Shape and type of the output that holds the boxes."""
    shape, dtype = tuple(shapes[layout.output]), np.dtype(dtypes[layout.output])
    if (
        len(shape) != 3
        or shape[0] != 1
        or shape[2 if layout.channels_last else 1] != (layout.value_count)
    ):
        raise ModelError(
            f'output {layout.output} is {shape}, not (1, …) with {layout.value_count} values an '
            'anchor; load the model again'
        )
    if dtype not in (np.float16, np.float32):
        raise ModelError(
            f'output {layout.output} is {dtype}; float16 and float32 are decoded on the GPU: '
            'export the model with one of them'
        )
    return shape, dtype
