"""How likely the classes of masks are, on the GPU: the twin of `tasks.segmentation.confidence_of`.

Values may differ from the twin's by 1, since exponentials and averages are rounded differently,
and where the edge of the image lies between grid points, by as much as the probability changes
over 1/64 of a grid point; see `CudaSegmenter`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from jetson_perception.cuda.buffers import DeviceBuffer, GrowingBuffer
from jetson_perception.cuda.compiler import load_module
from jetson_perception.cuda.frame_image import FrameImage
from jetson_perception.cuda.release import Resources
from jetson_perception.cuda.score_grid import ScoreGrid

if TYPE_CHECKING:
    from numpy.typing import DTypeLike, NDArray

    from jetson_perception.cuda.device import CudaDevice, Stream
    from jetson_perception.tasks.preprocess import ImageTransform
    from jetson_perception.tasks.segmentation import SegmentationLayout, SegmentationOptions

# The same as in segmentation.cu.
_TILE = 32
_BLOCK = (32, 8)
_GRID_THREADS = 256
# The same as in scores.cuh.
_SCORES, _SIGMOID, _SOFTMAX = range(3)
_GRID = 'Piiiiii'


class CudaConfidence:
    """Computes how likely the masks of one engine's frames are. One thread at a time may call it.

    Two frames may be under way, each in a block of its own, 0 or 1. For each frame, call `enqueue`
    and `collect`, in this order. Memory is allocated when the first frame is enqueued.

    Parameters
    ----------
    device : CudaDevice
        The GPU.
    layout : SegmentationLayout
        What the engine's output contains: scores, not class ids.
    output_shape : tuple of int
        The output's shape, from a run.
    output_dtype : dtype
        float16 or float32.

    Raises
    ------
    ModelError
        When the output has another type.
    CudaError
        When the kernels cannot be compiled or loaded.
    """

    def __init__(
        self,
        device: CudaDevice,
        layout: SegmentationLayout,
        output_shape: tuple[int, ...],
        output_dtype: DTypeLike,
    ) -> None:
        dtype = np.dtype(output_dtype)
        self._grid = ScoreGrid.of(layout, tuple(output_shape), dtype)
        self._activation = _SCORES
        if layout.output == 'logits':
            self._activation = _SIGMOID if layout.binary else _SOFTMAX
        self._resources = Resources()
        with self._resources.closed_on_error():
            module = self._resources.add(load_module(device, 'segmentation'))
            name = f'softmax_of_grid_{dtype.name}'
            self._find_softmax = module.get_function(name, _GRID + 'P')
            name = f'confidence_{dtype.name}'
            self._find_likely = module.get_function(name, _GRID + 'iPPiiPddddP')
            # For one frame at a time, because frames follow each other on the stream.
            self._softmax = self._resources.add(
                GrowingBuffer(lambda count: DeviceBuffer(device, (count, 2), np.float32))
            )
            self._blocks = tuple(self._resources.add(FrameImage(device)) for _ in range(2))

    def enqueue(
        self,
        output: DeviceBuffer,
        mask_address: int,
        transform: ImageTransform,
        options: SegmentationOptions,
        stream: Stream,
        block: int = 0,
    ) -> None:
        """Enqueue the work for a frame, behind that which makes its mask, and its copy.

        Parameters
        ----------
        output : DeviceBuffer
            The engine's output.
        mask_address : int
            Address on the device of the mask, uint8, that was made with these:
        transform, options
            As `CudaSegmenter.prepare` takes them.
        stream : Stream
            Where the mask is made. The context must be current.
        block : int
            0 or 1. Its last frame must have been collected, because buffers may grow here.

        Raises
        ------
        CudaError
            When the GPU's memory is full, or a launch fails.
        """
        mine = self._blocks[block]
        mine.forget()
        self.enqueue_kernels(output, mask_address, transform, options, stream, block)
        mine.download(stream)

    def enqueue_kernels(
        self,
        output: DeviceBuffer,
        mask_address: int,
        transform: ImageTransform,
        options: SegmentationOptions,
        stream: Stream,
        block: int = 0,
    ) -> None:
        """`enqueue` without the copy to the host, for measurements."""
        placed, mine = self._grid.placed(transform, options), self._blocks[block]
        part, (width, height) = placed.part, placed.mask_wh
        mine.ensure((height, width))
        address = output.address + part.offset_bytes
        softmax = 0
        if self._activation == _SOFTMAX:
            softmax = self._softmax.ensure(self._grid.height * self._grid.width).address
            blocks = -(-part.height * part.width // _GRID_THREADS)
            self._find_softmax.launch(
                stream, (blocks,), (_GRID_THREADS,), address, *part.arguments, softmax
            )
        self._find_likely.launch(
            stream,
            (-(-width // _TILE), -(-height // _TILE)),
            _BLOCK,
            address,
            *part.arguments,
            self._activation,
            softmax,
            mask_address,
            width,
            height,
            0,  # pixels are not counted again
            *placed.place,
            mine.on_device.address,
        )

    def forget(self, block: int = 0) -> None:
        """Drop what was enqueued for a block's last frame."""
        self._blocks[block].forget()

    def collect(self, block: int = 0) -> NDArray[np.uint8] | None:
        """What was computed for a block's frame, (h, w), a new array; None if nothing was.

        Call it once the stream has passed the frame.
        """
        return self._blocks[block].copy()

    def close(self) -> None:
        """Release what is on the GPU; may be called twice. No work may be under way."""
        self._resources.close()
