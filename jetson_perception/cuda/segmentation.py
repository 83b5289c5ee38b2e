"""Makes class masks from score tensors on the GPU: the twin of `tasks.segmentation.segment`.

Masks from class ids, and masks at the network's size, equal the twin's. Enlarged masks from scores
may differ where two classes are almost equal: exponentials and averages are rounded differently,
and OpenCV's own averages are off by up to 3e-5 of the scores' range. If the edge of the image lies
between grid points, as with a letterboxed image on a coarse grid, OpenCV before version 5 moves
positions by up to 1/64 of a grid point, which the kernel does not: that changes up to 0.3 % of the
pixels.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from jetson_perception.cuda.buffers import DeviceBuffer, GrowingBuffer, PinnedBuffer
from jetson_perception.cuda.compiler import load_module
from jetson_perception.cuda.release import Resources
from jetson_perception.cuda.score_grid import ScoreGrid
from jetson_perception.errors import CudaError
from jetson_perception.tasks.finite import require_finite
from jetson_perception.tasks.results import Segmentation
from jetson_perception.tasks.segmentation import SegmentationLayout, segment

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import DTypeLike, NDArray

    from jetson_perception.cuda.compiler import Kernel
    from jetson_perception.cuda.device import CudaDevice, Stream
    from jetson_perception.tasks.preprocess import ImageTransform
    from jetson_perception.tasks.segmentation import SegmentationOptions

# The same as in segmentation.cu.
_TILE = 32
_BLOCK = (32, 8)
_GRID_THREADS = 256
_MAX_CLASSES = 256
_GRID = 'Piiiiii'
_MASK = 'PiiPdddd'
_SIGNATURES = {
    'best_of_grid': _GRID + 'PPPP',
    'best_of_mask': _GRID + 'PP' + _MASK + 'P',
    'foreground': _GRID + 'if' + _MASK,
    'repeat': 'PiiiPPPiiP',
    'clear_counts': 'P',
}
_BAD_POINTS = _MAX_CLASSES  # index among the counts
_COUNTS_NBYTES = 4 * (_MAX_CLASSES + 64)  # a result has the counts, then the mask, both aligned


class CudaSegmenter:
    """Makes class masks of one engine's frames. One thread at a time may call it.

    Two frames may be under way, each in a result block of its own, 0 or 1. For each frame, call
    `prepare`, `enqueue` (or launch a graph captured from it) and `collect`, in this order.

    If all grid points around a pixel have the same best class, it is the pixel's best class too,
    whatever the weights. So the classes' scores are interpolated only along borders.

    Parameters
    ----------
    device : CudaDevice
        The GPU.
    layout : SegmentationLayout
        What the engine's output contains.
    output_shape : tuple of int
        The output's shape, from a run.
    output_dtype : dtype
        float16 or float32; for class ids, also integers of any size.

    Raises
    ------
    ModelError
        When the output has another type.
    CudaError
        When the kernels cannot be compiled or loaded, or the GPU's memory is full.
    """

    def __init__(
        self,
        device: CudaDevice,
        layout: SegmentationLayout,
        output_shape: tuple[int, ...],
        output_dtype: DTypeLike,
    ) -> None:
        self.device = device
        self.layout = layout
        self._grid = ScoreGrid.of(layout, tuple(output_shape), np.dtype(output_dtype))
        self._kernels: dict[str, Kernel] = {}
        self._resources = Resources()
        with self._resources.closed_on_error():
            self._module = self._resources.add(load_module(device, 'segmentation'))
            points = self._grid.height * self._grid.width
            # For one frame at a time, because frames follow each other on the stream.
            self._labels = self._resources.add(DeviceBuffer(device, (points,), np.uint16))
            self._softmax = self._resources.add(DeviceBuffer(device, (points, 2), np.float32))
            # Zero at the start and the end of every frame.
            self._bad = self._resources.add(DeviceBuffer(device, (1,), np.uint32))
            self._blocks = tuple(self._resources.add(_Block(device)) for _ in range(2))
            self._bad.clear_and_wait()

    def prepare(
        self, transform: ImageTransform, options: SegmentationOptions, block: int = 0
    ) -> bool:
        """Set up the next frame of a block; nothing is enqueued.

        Parameters
        ----------
        transform : ImageTransform
            From the preprocessing of this frame; its padding is cut off.
        options : SegmentationOptions
            Size of the mask, and what is interpolated.
        block : int
            0 or 1. Its last frame must have been collected, because buffers grow here if the mask
            is larger than all before.

        Returns
        -------
        bool
            Whether a graph that was captured from this block's `enqueue` is out of date, because
            the image's size or the options have changed: the size of the mask and the arguments of
            launches are part of the graph.

        Raises
        ------
        CudaError
            When the GPU's memory is full.
        """
        mine = self._blocks[block]
        # Without the options for pictures, which are made apart from the mask.
        key = (transform, options.mask_size, options.interpolation)
        if mine.key == key:
            return False
        mine.key = None  # in case the rest fails
        if self.layout.output == 'class_ids':
            mine.launches = self._repetition(mine, transform, options)
        else:
            mine.launches = self._interpolation(mine, transform, options)
        mine.key = key
        return True

    def enqueue(self, outputs: Sequence[DeviceBuffer], stream: Stream, block: int = 0) -> None:
        """Enqueue the work that makes mask and counts and copies them to the host; capturable.

        Parameters
        ----------
        outputs : sequence of DeviceBuffer
            The engine's outputs, of which the first is read.
        stream : Stream
            The launches run on it, behind the engine's own work. Always the same stream, or one in
            order with it. The context must be current.
        block : int
            The block that was prepared.

        Raises
        ------
        CudaError
            When the block was not prepared, the output does not have the expected shape or type,
            or a launch fails.
        """
        self.enqueue_kernels(outputs, stream, block)
        self._blocks[block].download(stream)

    def enqueue_kernels(
        self, outputs: Sequence[DeviceBuffer], stream: Stream, block: int = 0
    ) -> None:
        """`enqueue` without the copy to the host."""
        mine, output = self._blocks[block], outputs[0]
        if mine.key is None:
            raise CudaError(f'block {block} was enqueued before it was prepared')
        if output.shape != self._grid.shape or output.dtype != self._grid.dtype:
            raise CudaError(
                f'the output is {output.dtype} {output.shape}; expected '
                f'{self._grid.dtype} {self._grid.shape}'
            )
        mine.upload(stream)
        for launch in mine.launches:
            launch.enqueue(output.address, stream)

    def mask_address(self, block: int = 0) -> int:
        """Address on the device of a block's mask, (h, w) uint8, once it is made."""
        return self._blocks[block].mask_arguments[0]

    def collect(self, block: int = 0) -> Segmentation:
        """The result of a block's frame, as new arrays, once the stream has passed it.

        Raises
        ------
        ModelError
            When the output is not finite; see `segment`.
        """
        mine = self._blocks[block]
        counts, mask = mine.result()
        what = 'class ids' if self.layout.output == 'class_ids' else 'scores'
        require_finite(what, int(counts[_BAD_POINTS]), mine.points, 'grid points')
        counts = counts[:_MAX_CLASSES]
        present = np.flatnonzero(counts)
        last = int(present[-1]) + 1 if present.size else 0
        pixels = counts[: max(self.layout.class_count, last)].astype(np.int64)
        return Segmentation(mask.copy(), pixels)

    def close(self) -> None:
        """Release what is on the GPU; may be called twice. No work may be under way."""
        self._resources.close()

    def _interpolation(
        self, block: _Block, transform: ImageTransform, options: SegmentationOptions
    ) -> list[_Launch]:
        """The launches that make a mask from scores."""
        placed = self._grid.placed(transform, options)
        part = placed.part
        block.points = part.height * part.width
        block.set_mask(placed.mask_wh)
        logits = self.layout.output == 'logits'
        softmax = logits and options.interpolation == 'probabilities'
        mask = (*block.mask_arguments, *placed.place)
        if self.layout.binary:
            threshold = 0.0 if logits and not softmax else 0.5
            arguments = (*part.arguments, int(softmax), threshold, *mask)
            return [
                self._clearing(block),
                self._launch('foreground', block.tiles, _BLOCK, arguments, part.offset_bytes),
            ]
        variant = 'softmax_' if softmax else ''
        found = (*part.arguments, self._labels.address, self._softmax.address)
        grid_blocks = (-(-part.height * part.width // _GRID_THREADS),)
        return [
            self._launch(
                'best_of_grid',
                grid_blocks,
                (_GRID_THREADS,),
                (*found, block.counts_address, self._bad.address),
                part.offset_bytes,
                variant,
            ),
            self._launch(
                'best_of_mask',
                block.tiles,
                _BLOCK,
                (*found, *mask, self._bad.address),
                part.offset_bytes,
                variant,
            ),
        ]

    def _repetition(
        self, block: _Block, transform: ImageTransform, options: SegmentationOptions
    ) -> list[_Launch]:
        """The launches that make a mask from class ids."""
        columns, rows = _repeated(self._grid, transform, options)
        block.set_mask((columns.size, rows.size))
        block.set_tables(columns, rows)
        block.points = self._grid.height * self._grid.width
        dtype = self._grid.dtype
        arguments = (
            dtype.itemsize,
            block.points,
            self._grid.width,
            *block.table_addresses,
            *block.mask_arguments,
        )
        variant = dtype.name if dtype.kind == 'f' else 'integers'
        repeat = _Launch(
            self._kernel('repeat', f'repeat_{variant}'), block.tiles, _BLOCK, arguments, 0
        )
        return [self._clearing(block), repeat]

    def _clearing(self, block: _Block) -> _Launch:
        kernel = self._kernel('clear_counts', 'clear_counts')
        return _Launch(kernel, (1,), (_MAX_CLASSES,), (block.counts_address,), None)

    def _launch(
        self,
        name: str,
        grid: tuple[int, ...],
        block: tuple[int, ...],
        arguments: tuple[float, ...],
        offset_bytes: int,
        variant: str = '',
    ) -> _Launch:
        kernel = self._kernel(name, f'{name}_{variant}{self._grid.dtype.name}')
        return _Launch(kernel, grid, block, arguments, offset_bytes)

    def _kernel(self, signature: str, name: str) -> Kernel:
        if name not in self._kernels:
            self._kernels[name] = self._module.get_function(name, _SIGNATURES[signature])
        return self._kernels[name]


@dataclass(frozen=True, slots=True)
class _Launch:
    kernel: Kernel
    grid: tuple[int, ...]
    block: tuple[int, ...]
    arguments: tuple[float, ...]
    offset_bytes: int | None  # of its first argument in the output; None if it does not read it

    def enqueue(self, output_address: int, stream: Stream) -> None:
        if self.offset_bytes is None:
            self.kernel.launch(stream, self.grid, self.block, *self.arguments)
        else:
            address = output_address + self.offset_bytes
            self.kernel.launch(stream, self.grid, self.block, address, *self.arguments)


class _Block:
    """Memory for the result of one frame, on the GPU and on the host: counts, then the mask."""

    def __init__(self, device: CudaDevice) -> None:
        self.key: tuple[ImageTransform, str, str] | None = None
        self.launches: list[_Launch] = []
        #: Number of grid points that the mask is made from.
        self.points = 0
        self._mask_wh = (0, 0)
        self._on_device = GrowingBuffer(lambda nbytes: DeviceBuffer(device, (nbytes,), np.uint8))
        self._on_host = GrowingBuffer(lambda nbytes: PinnedBuffer(device, (nbytes,), np.uint8))
        # Only for class ids: the column and row of the grid that each column and row repeats.
        self._tables = GrowingBuffer(lambda nbytes: DeviceBuffer(device, (nbytes,), np.uint8))
        self._host_tables = GrowingBuffer(lambda nbytes: PinnedBuffer(device, (nbytes,), np.uint8))
        self._tables_nbytes = 0

    def set_mask(self, mask_wh: tuple[int, int]) -> None:
        """Make room for a mask of this size."""
        self._mask_wh = mask_wh
        self._on_device.ensure(self._nbytes)
        self._on_host.ensure(self._nbytes)

    def set_tables(self, columns: NDArray[np.int32], rows: NDArray[np.int32]) -> None:
        """Set the tables that are uploaded with each frame."""
        tables = np.concatenate([columns, rows]).view(np.uint8)
        self._tables_nbytes = tables.size
        self._tables.ensure(tables.size)
        self._host_tables.ensure(tables.size).array[: tables.size] = tables

    @property
    def counts_address(self) -> int:
        return self._on_device.ensure(self._nbytes).address

    @property
    def mask_arguments(self) -> tuple[int, ...]:
        """The kernels' arguments from classes to counts."""
        return self.counts_address + _COUNTS_NBYTES, *self._mask_wh, self.counts_address

    @property
    def table_addresses(self) -> tuple[int, int]:
        """Addresses of the tables of columns and of rows."""
        columns = self._tables.ensure(self._tables_nbytes).address
        return columns, columns + self._mask_wh[0] * np.dtype(np.int32).itemsize

    @property
    def tiles(self) -> tuple[int, int]:
        """Number of blocks across and down that cover the mask."""
        width, height = self._mask_wh
        return -(-width // _TILE), -(-height // _TILE)

    @property
    def _nbytes(self) -> int:
        return _COUNTS_NBYTES + self._mask_wh[0] * self._mask_wh[1]

    def upload(self, stream: Stream) -> None:
        if self._tables_nbytes:
            tables = self._tables.ensure(self._tables_nbytes)
            host = self._host_tables.ensure(self._tables_nbytes)
            tables.copy_from_host(host, stream, self._tables_nbytes)

    def download(self, stream: Stream) -> None:
        result = self._on_device.ensure(self._nbytes)
        result.copy_to_host(self._on_host.ensure(self._nbytes), stream, self._nbytes)

    def result(self) -> tuple[NDArray[np.uint32], NDArray[np.uint8]]:
        """Counts and mask, in memory that the block's next frame overwrites."""
        data = self._on_host.ensure(self._nbytes).array
        width, height = self._mask_wh
        mask = data[_COUNTS_NBYTES : self._nbytes].reshape(height, width)
        return data[:_COUNTS_NBYTES].view(np.uint32), mask

    def close(self) -> None:
        self.key = None
        resources = Resources()
        for buffer in (self._on_device, self._on_host, self._tables, self._host_tables):
            resources.add(buffer)
        resources.close()


def _repeated(
    grid: ScoreGrid, transform: ImageTransform, options: SegmentationOptions
) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
    """The column and row of the grid that each column and row of the mask repeats.

    The twin computes them, from grids whose class ids are the numbers of the columns and rows, one
    byte at a time, because OpenCV's nearest neighbors differ between its versions.
    """
    layout = SegmentationLayout('class_ids', 0)
    rows, columns = np.indices((grid.height, grid.width), np.int32)
    asked: list[NDArray[np.int32]] = []
    for numbers in (columns, rows):
        low, high = (
            segment(byte.astype(np.uint8), layout, transform, options).mask.astype(np.int32)
            for byte in (numbers & 255, numbers >> 8)
        )
        asked.append(low + 256 * high)
    return asked[0][0].copy(), asked[1][:, 0].copy()
