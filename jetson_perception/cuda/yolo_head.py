"""The end of an anchor-free YOLO network on the GPU: the twin of `tasks.yolo_head.decode_head`.

One launch replaces some thirty small operators after the last convolutions. It accepts the maps in
either order of axes, just as the convolutions leave them.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from jetson_perception.cuda.buffers import DeviceBuffer
from jetson_perception.cuda.compiler import load_module
from jetson_perception.cuda.preprocess import upload
from jetson_perception.cuda.release import Resources
from jetson_perception.errors import CudaError, ModelError
from jetson_perception.printable import counted
from jetson_perception.tasks.yolo_head import MAX_BINS

if TYPE_CHECKING:
    from numpy.typing import DTypeLike

    from jetson_perception.cuda.device import CudaDevice, Stream
    from jetson_perception.tasks.yolo_head import HeadLayout

# The same as in yolo_head.cu.
_THREADS = 256
_CELLS = 64
_CHUNK = 64
MAX_LEVELS = 4
_KERNELS = (('float32', 'float32'), ('float16', 'float32'), ('float16', 'float16'))
_LEVEL = np.dtype(
    [
        (name, np.int32)
        for name in (
            'boxes',
            'scores',
            'extras',
            'width',
            'cells',
            'first_anchor',
            'first_block',
            'stride',
        )
    ]
)
_HEAD = np.dtype(
    [
        *(
            (name, np.int32)
            for name in (
                'level_count',
                'bins',
                'class_count',
                'extra_count',
                'keypoint_depth',
                'anchors',
                'channels_last',
                'unused',
            )
        ),
        ('levels', _LEVEL, MAX_LEVELS),
    ]
)

# The address of a map is a multiple of this, like that of an allocation.
_ALIGNMENT = 256


class CudaHead:
    """Memory for a network's last maps, and the kernel that computes its output from them.

    Parameters
    ----------
    device : CudaDevice
        The GPU.
    layout : HeadLayout
        At most `MAX_LEVELS` levels, and `tasks.yolo_head.MAX_BINS` bins.
    dtype, output_dtype : dtype
        Types of the maps and of the output: float32 or float16, but not a float16 output of
        float32 maps.
    channels_last : bool
        Whether maps are (1, height, width, channels) instead of (1, channels, height, width).

    Attributes
    ----------
    shapes : tuple of tuple of int
        Shapes of the maps: for each level, those of `HeadLayout.channels`.
    addresses : tuple of int
        Addresses of the maps.

    Raises
    ------
    ModelError
        When the layout exceeds these limits, or there is no kernel for these types.
    CudaError
        When the kernel cannot be compiled or loaded, or the GPU's memory is full.
    """

    def __init__(
        self,
        device: CudaDevice,
        layout: HeadLayout,
        dtype: DTypeLike,
        output_dtype: DTypeLike,
        *,
        channels_last: bool = False,
    ) -> None:
        if len(layout.grids_wh) > MAX_LEVELS or layout.bins > MAX_BINS:
            raise ModelError(
                f'{counted(len(layout.grids_wh), "level")} of {counted(layout.bins, "bin")}; '
                'the kernel takes at most '
                f'{MAX_LEVELS} and {MAX_BINS}'
            )
        self._layout = layout
        self._output_dtype = np.dtype(output_dtype)
        item = np.dtype(dtype)
        if (item.name, self._output_dtype.name) not in _KERNELS:
            raise ModelError(f'no kernel makes {self._output_dtype} outputs from {item} maps')
        self.shapes = tuple(layout.map_shapes(channels_last=channels_last))
        begins, end = [], 0
        for shape in self.shapes:
            begins.append(end)
            nbytes = math.prod(shape) * item.itemsize
            end += -(-nbytes // _ALIGNMENT) * _ALIGNMENT
        self._resources = Resources()
        with self._resources.closed_on_error():
            module = self._resources.add(load_module(device, 'yolo_head'))
            kinds = f'{item.name}_{self._output_dtype.name}'
            self._decode = module.get_function(f'decode_head_{kinds}', 'PPP')
            self._maps = self._resources.add(DeviceBuffer(device, (end,), np.uint8))
            self.addresses = tuple(self._maps.address + begin for begin in begins)
            self._head = self._resources.add(DeviceBuffer(device, (1,), _HEAD))
            blocks = self._describe([begin // item.itemsize for begin in begins], channels_last)
            chunks = sum(-(-count // _CHUNK) for count in layout.channels[1:])
            self._grid = blocks, 1 + chunks

    def enqueue(self, output: DeviceBuffer, stream: Stream) -> None:
        """Enqueue the work that computes the network's output from the maps; capturable.

        Raises
        ------
        CudaError
            When the output has another shape or type, or the launch fails.
        """
        if output.shape != self._layout.output_shape or output.dtype != self._output_dtype:
            raise CudaError(
                f'the output is {output.dtype} {output.shape}; expected '
                f'{self._output_dtype} {self._layout.output_shape}'
            )
        self._decode.launch(
            stream,
            self._grid,
            (_THREADS,),
            self._maps.address,
            self._head.address,
            output.address,
        )

    def close(self) -> None:
        """Release what is on the GPU; may be called twice. No launch may be under way."""
        self._resources.close()

    def _describe(self, begins: list[int], channels_last: bool) -> int:
        """Upload the description of the maps for the kernel; returns the number of blocks."""
        layout = self._layout
        head = np.zeros(1, _HEAD)
        head['level_count'] = len(layout.grids_wh)
        head['bins'] = layout.bins
        head['class_count'] = layout.class_count
        head['extra_count'] = layout.extra_count
        head['keypoint_depth'] = layout.keypoint_depth
        head['channels_last'] = channels_last
        first_anchor = first_block = 0
        kinds = len(layout.channels)
        for index, ((width, height), stride) in enumerate(
            zip(layout.grids_wh, layout.strides, strict=True)
        ):
            level = head['levels'][0, index]
            boxes, scores, *extras = begins[index * kinds : (index + 1) * kinds]
            level['boxes'], level['scores'], level['extras'] = boxes, scores, sum(extras)
            level['width'], level['cells'], level['stride'] = width, width * height, stride
            level['first_anchor'], level['first_block'] = first_anchor, first_block
            first_anchor += width * height
            first_block += -(-width * height // _CELLS)
        head['anchors'] = first_anchor
        upload(head, self._head)
        return first_block
