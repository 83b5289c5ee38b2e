"""Draws class masks on the GPU: twins of `drawing.color_mask` and `draw_segmentation`."""

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
    from numpy.typing import ArrayLike, NDArray

    from jetson_perception.cuda.compiler import Kernel
    from jetson_perception.cuda.device import CudaDevice, Stream
    from jetson_perception.cuda.preprocess import DeviceImage

# The same as in tint.cu.
_BLOCK = (32, 8)
_COLOR_SIGNATURE = 'PiiPP'
_TINT_SIGNATURE = 'PiiiiPPPP'
_CLASSES = 256
_PIXEL_VALUES = 256


class TintTables:
    """Tables on the GPU: the colors of classes, and each color blended with every pixel value.

    Parameters
    ----------
    device : CudaDevice
        The GPU.
    colors, blend
        See `set`.

    Raises
    ------
    ParameterError
        When `blend` is out of range.
    CudaError
        When the GPU's memory is full.

    Attributes
    ----------
    colors_address, tinted_address : int
        Addresses on the device, which never change.

    Notes
    -----
    The table of what each pixel value becomes under each class has 192 KiB; `cv2.addWeighted`
    computes it.
    """

    def __init__(self, device: CudaDevice, colors: ArrayLike, blend: float = 0.6) -> None:
        self._resources = Resources()
        with self._resources.closed_on_error():
            self._colors = self._resources.add(DeviceBuffer(device, (_CLASSES, 3), np.uint8))
            self._tinted = self._resources.add(
                DeviceBuffer(device, (_CLASSES, 3, _PIXEL_VALUES), np.uint8)
            )
            self.set(colors, blend)
        self.colors_address, self.tinted_address = self._colors.address, self._tinted.address

    def set(self, colors: ArrayLike, blend: float) -> None:
        """Fill the tables, and wait for the copy. No launch that reads them may be under way.

        Parameters
        ----------
        colors : array-like, shape (classes, 3), uint8
            BGR of each class; classes without a color are black.
        blend : float
            Share of the image that remains under a color, 0 to 1.

        Raises
        ------
        ParameterError
            When `blend` is out of range; then the tables do not change.
        CudaError
            When the upload fails.
        """
        if not 0 <= blend <= 1:
            raise ParameterError(
                f'blend is {blend}; expected the share of the image that remains, 0 to 1', 'blend'
            )
        given = np.asarray(colors, np.uint8).reshape(-1, 3)[:_CLASSES]
        palette = np.zeros((_CLASSES, 3), np.uint8)
        palette[: len(given)] = given
        upload(palette, self._colors)
        upload(_tinted(palette, blend), self._tinted)

    def close(self) -> None:
        """Release what is on the GPU; may be called twice. No launch may be under way."""
        self._resources.close()


class CudaTinter:
    """Draws classes in their colors, alone or over the image. One thread at a time may call it.

    Parameters
    ----------
    device : CudaDevice
        The GPU.

    Raises
    ------
    CudaError
        When the kernels cannot be compiled or loaded.
    """

    def __init__(self, device: CudaDevice) -> None:
        self._kernels: dict[str, Kernel] = {}
        self._resources = Resources()
        with self._resources.closed_on_error():
            self._module = self._resources.add(load_module(device, 'tint'))

    def enqueue_colors(
        self,
        mask_address: int,
        mask_wh: tuple[int, int],
        tables: TintTables,
        target: DeviceBuffer,
        stream: Stream,
    ) -> None:
        """Enqueue the work that fills the target with the color of each pixel's class.

        Parameters
        ----------
        mask_address : int
            Address on the device of (h, w) class ids, uint8; see `CudaSegmenter.mask_address`.
        mask_wh : tuple of int
            Width and height of the mask.
        tables : TintTables
            The colors.
        target : DeviceBuffer, uint8
            Filled with BGR, (h, w, 3), from its beginning; it may be larger.
        stream : Stream
            The launch runs on it. The context must be current.

        Raises
        ------
        CudaError
            When the target is too small or has another dtype, or the launch fails.
        """
        width, height = mask_wh
        _require_room(target, mask_wh)
        self._kernel('color_classes', _COLOR_SIGNATURE).launch(
            stream,
            _blocks(width, height),
            _BLOCK,
            mask_address,
            width,
            height,
            tables.colors_address,
            target.address,
        )

    def enqueue_blend(
        self,
        image: DeviceImage,
        mask_address: int,
        tables: TintTables,
        target: DeviceBuffer,
        stream: Stream,
    ) -> None:
        """Enqueue the work that fills the target with the image, tinted where the class is not 0.

        Parameters
        ----------
        image : DeviceImage
            In any encoding that `CudaPreprocessor` takes, at the mask's size.
        mask_address, tables, target, stream
            See `enqueue_colors`.

        Raises
        ------
        ImageError
            When the encoding is not supported.
        CudaError
            When the target is too small or has another dtype, or the launch fails.
        """
        width, height = image.width, image.height
        _require_room(target, (width, height))
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
            image.colors_address,
            mask_address,
            tables.tinted_address,
            target.address,
        )

    def close(self) -> None:
        """Release what is on the GPU; may be called twice. No launch may be under way."""
        self._resources.close()

    def _kernel(self, name: str, signature: str) -> Kernel:
        if name not in self._kernels:
            self._kernels[name] = self._module.get_function(name, signature)
        return self._kernels[name]


def _tinted(palette: NDArray[np.uint8], blend: float) -> NDArray[np.uint8]:
    """What each pixel value becomes, (class, channel, value); blended like `draw_segmentation`."""
    values = np.arange(_PIXEL_VALUES, dtype=np.uint8)
    shape = (_CLASSES * 3, _PIXEL_VALUES)
    pixels = np.ascontiguousarray(np.broadcast_to(values, shape))
    colors = np.ascontiguousarray(np.broadcast_to(palette.reshape(-1, 1), shape))
    tinted = cv2.addWeighted(pixels, blend, colors, 1 - blend, 0).reshape(_CLASSES, 3, -1)
    tinted[0] = values  # the background stays as it is
    return tinted


def _require_room(target: DeviceBuffer, picture_wh: tuple[int, int]) -> None:
    width, height = picture_wh
    if target.dtype != np.uint8 or target.nbytes < width * height * 3:
        raise CudaError(
            f'the picture to fill is {target.dtype} {target.shape}; uint8 with room for '
            f'({height}, {width}, 3) is needed'
        )


def _blocks(width: int, height: int) -> tuple[int, int]:
    return -(-width // _BLOCK[0]), -(-height // _BLOCK[1])
