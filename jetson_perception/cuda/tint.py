"""Class masks as pictures, on the GPU: twins of `drawing.color_mask` and `draw_segmentation`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import cv2
import numpy as np

from jetson_perception.cuda.buffers import DeviceBuffer
from jetson_perception.cuda.compiler import load_module
from jetson_perception.cuda.preprocess import FAMILIES, not_converted, upload
from jetson_perception.cuda.release import Resources
from jetson_perception.errors import CudaError, ParameterError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from jetson_perception.cuda.compiler import Kernel
    from jetson_perception.cuda.device import CudaDevice, Stream
    from jetson_perception.cuda.preprocess import DeviceImage

# Of tint.cu.
_BLOCK = (32, 8)
_COLOR_SIGNATURE = 'PiiPP'
_TINT_SIGNATURE = 'PiiiiPPP'
_CLASSES = 256
_PIXEL_VALUES = 256


class CudaTinter:
    """Colors classes, alone or over the image. One thread at a time may call it.

    Parameters
    ----------
    device : CudaDevice
        The GPU.
    colors : ndarray, shape (classes, 3), uint8
        BGR of each class; classes beyond them are black.
    blend : float
        Share of the image that remains under a color, 0 to 1.

    Raises
    ------
    ParameterError
        When `blend` is out of range.
    CudaError
        When the kernels cannot be compiled or loaded, or the GPU's memory is full.

    Notes
    -----
    What each pixel value becomes under each class is looked up in a table (192 KiB) that
    `cv2.addWeighted` makes.
    """

    def __init__(self, device: CudaDevice, colors: NDArray[np.uint8], blend: float = 0.6) -> None:
        if not 0 <= blend <= 1:
            raise ParameterError(
                f'blend is {blend}; give the share of the image that remains, 0 to 1', 'blend'
            )
        self._kernels: dict[str, Kernel] = {}
        self._resources = Resources()
        palette = np.zeros((_CLASSES, 3), np.uint8)
        palette[: len(colors)] = colors[:_CLASSES]
        tinted = _tinted(palette, blend)
        with self._resources.closed_on_error():
            self._module = self._resources.add(load_module(device, 'tint'))
            self._palette = self._resources.add(DeviceBuffer(device, palette.shape, np.uint8))
            upload(palette, self._palette)
            self._tinted = self._resources.add(DeviceBuffer(device, tinted.shape, np.uint8))
            upload(tinted, self._tinted)

    def enqueue_colors(self, mask_address: int, target: DeviceBuffer, stream: Stream) -> None:
        """Let the GPU fill the target with the color of each pixel's class.

        Parameters
        ----------
        mask_address : int
            On the device, of (h, w) class ids, uint8, as of `CudaSegmenter.mask_address`.
        target : DeviceBuffer, shape (h, w, 3), uint8
            Gets BGR.
        stream : Stream
            Where the launch goes. The context has to be current.

        Raises
        ------
        CudaError
            When the target has another shape or dtype, or the launch fails.
        """
        height, width = _size_of(target)
        self._kernel('color_classes', _COLOR_SIGNATURE).launch(
            stream,
            _blocks(width, height),
            _BLOCK,
            mask_address,
            width,
            height,
            self._palette.address,
            target.address,
        )

    def enqueue_blend(
        self, image: DeviceImage, mask_address: int, target: DeviceBuffer, stream: Stream
    ) -> None:
        """Let the GPU fill the target with the image, tinted where the class is not 0.

        Parameters
        ----------
        image : DeviceImage
            Of any encoding that `CudaPreprocessor` takes, and of the mask's size.
        mask_address, target, stream
            As of `enqueue_colors`.

        Raises
        ------
        ImageError
            When the encoding is not taken.
        CudaError
            When the target has another shape or dtype, or the launch fails.
        """
        height, width = _size_of(target)
        if (image.width, image.height) != (width, height):
            raise CudaError(
                f'an image of {image.width}×{image.height} is to be tinted into a buffer for '
                f'{width}×{height}; their sizes must be equal'
            )
        if image.encoding not in FAMILIES:
            raise not_converted(image.encoding)
        family, variant = FAMILIES[image.encoding]
        self._kernel(f'tint_{family}', _TINT_SIGNATURE).launch(
            stream,
            _blocks(width, height),
            _BLOCK,
            image.address,
            image.step,
            width,
            height,
            variant,
            mask_address,
            self._tinted.address,
            target.address,
        )

    def close(self) -> None:
        """Release what is on the GPU; twice is harmless. No launch may be under way."""
        self._resources.close()

    def _kernel(self, name: str, signature: str) -> Kernel:
        if name not in self._kernels:
            self._kernels[name] = self._module.get_function(name, signature)
        return self._kernels[name]


def _tinted(palette: NDArray[np.uint8], blend: float) -> NDArray[np.uint8]:
    """What each pixel value becomes, (class, channel, value), as `draw_segmentation` blends."""
    values = np.arange(_PIXEL_VALUES, dtype=np.uint8)
    shape = (_CLASSES * 3, _PIXEL_VALUES)
    pixels = np.ascontiguousarray(np.broadcast_to(values, shape))
    colors = np.ascontiguousarray(np.broadcast_to(palette.reshape(-1, 1), shape))
    tinted = cv2.addWeighted(pixels, blend, colors, 1 - blend, 0).reshape(_CLASSES, 3, -1)
    tinted[0] = values  # the background stays as it is
    return tinted


def _size_of(target: DeviceBuffer) -> tuple[int, int]:
    if len(target.shape) != 3 or target.shape[2] != 3 or target.dtype != np.uint8:
        raise CudaError(
            f'the picture to fill is {target.dtype} {target.shape}; uint8 (h, w, 3) is needed'
        )
    return target.shape[0], target.shape[1]


def _blocks(width: int, height: int) -> tuple[int, int]:
    return -(-width // _BLOCK[0]), -(-height // _BLOCK[1])
