"""Turns images on the GPU into input tensors, in one launch: the twin of `tasks.preprocess`.

Color conversion, resize, padding and normalization equal `images.encodings.to_bgr` and
`tasks.preprocess.Preprocessor` bit for bit where OpenCV runs its portable code, as it does on
x86-64; there the kernel is tested against OpenCV 5.0. With another resizing library (Carotene or
KleidiCV on Arm, IPP when allowed to be inexact), OpenCV itself may differ from that by 1 in a
pixel value.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from jetson_perception.cuda.buffers import DeviceBuffer, PinnedBuffer
from jetson_perception.cuda.compiler import load_module
from jetson_perception.cuda.release import Resources
from jetson_perception.errors import CudaError, ImageError, ParameterError
from jetson_perception.images.encodings import ENCODINGS, byte_count
from jetson_perception.images.regions import Region
from jetson_perception.printable import quoted
from jetson_perception.tasks.normalization import Normalization
from jetson_perception.tasks.preprocess import Preprocessor, fit

if TYPE_CHECKING:
    from numpy.typing import DTypeLike, NDArray

    from jetson_perception.cuda.compiler import Kernel
    from jetson_perception.cuda.device import CudaDevice, Stream
    from jetson_perception.tasks.input_layout import InputLayout
    from jetson_perception.tasks.normalization import Normalization
    from jetson_perception.tasks.preprocess import ImageTransform

# For each encoding: the kernel's family, and the variant within it; see kernels/pixels.cuh. The
# variant of a Bayer pattern is the position of the red pixel among 2×2.
FAMILIES: dict[str, tuple[str, int]] = {
    'bgr8': ('interleaved3', 0),
    'rgb8': ('interleaved3', 1),
    'bgra8': ('interleaved4', 0),
    'rgba8': ('interleaved4', 1),
    'mono8': ('mono', 0),
    'yuv422_yuy2': ('packed_yuv', 0),
    'yuyv': ('packed_yuv', 0),
    'uyvy': ('packed_yuv', 1),
    'yuv422': ('packed_yuv', 1),
    'nv12': ('semi_planar_yuv', 0),
    'nv21': ('semi_planar_yuv', 1),
    'bayer_rggb8': ('bayer', 0),
    'bayer_grbg8': ('bayer', 1),
    'bayer_gbrg8': ('bayer', 2),
    'bayer_bggr8': ('bayer', 3),
}

# The same as in preprocess.cu.
_TILE = 32
_BLOCK = (32, 8)
_SIGNATURE = 'PiiiiPiiiiPiiiiiiddPiii'

# Cameras rarely change their image size; a source that always does must not fill the memory.
_KEPT_PLANS = 256


@dataclass(frozen=True, slots=True)
class DeviceImage:
    """An image as in its message, in memory that the GPU reads.

    Attributes
    ----------
    address : int
        Address of the first byte, in device memory.
    width, height : int
        Pixels; for nv12 and nv21 without the chroma rows.
    step : int
        Bytes from one row to the next.
    encoding : str
        One of `images.encodings.ENCODINGS`. The caller must make sure that there are enough bytes;
        `images.encodings.view` checks it.
    region : Region or None
        The part that is fitted to the network, in any place even of a pattern that repeats every
        two pixels; None for the whole image.
    colors : int
        Of nv12 and nv21, the address of the first row of colors; 0 where these follow the rows of
        brightness.
    """

    address: int
    width: int
    height: int
    step: int
    encoding: str
    region: Region | None = None
    colors: int = 0

    @property
    def size_wh(self) -> tuple[int, int]:
        """Width and height of what is fitted to the network, pixels."""
        return (self.width, self.height) if self.region is None else self.region.size_wh

    @property
    def nbytes(self) -> int:
        """Bytes from the first to the last; see `images.encodings.byte_count`.

        Of an image whose colors lie elsewhere, those that it has once they follow.
        """
        return byte_count(self.height, self.width, self.encoding, self.step)

    @property
    def colors_address(self) -> int:
        """Of the first row of colors where these are a plane of their own; else 0."""
        if FAMILIES[self.encoding][0] != 'semi_planar_yuv':
            return 0
        return self.colors or self.address + self.height * self.step

    def copied_to(self, target: DeviceBuffer, stream: Stream) -> DeviceImage:
        """Enqueue a copy, `nbytes` long, to where colors follow brightness; what is there then.

        Raises
        ------
        CudaError
            When the target has no room for it, or the driver refuses.
        """
        nbytes = self.nbytes
        light = self.height * self.step if self.colors else nbytes
        target.copy_from_address(self.address, stream, light)
        if self.colors:
            target.copy_from_address(self.colors, stream, nbytes - light, offset=light)
        return replace(self, address=target.address, colors=0)


class CudaPreprocessor:
    """Fills input tensors on the GPU from images on the GPU. One thread at a time may call it.

    Parameters
    ----------
    device : CudaDevice
        The GPU.
    network_wh : tuple of int
        Width and height of the network's input in pixels.
    resize, normalization, dtype, pad_value, layout
        See `Preprocessor`.

    Raises
    ------
    ParameterError
        See `Preprocessor`.
    CudaError
        When the kernels cannot be compiled or loaded.

    Notes
    -----
    For each channel, a table maps the 256 pixel values to normalized ones. `Preprocessor` fills
    it, so that the numbers are the same to the last bit.
    """

    def __init__(
        self,
        device: CudaDevice,
        network_wh: tuple[int, int],
        resize: str = 'letterbox',
        normalization: Normalization | None = None,
        dtype: DTypeLike = np.float32,
        pad_value: int = 114,
        layout: InputLayout | None = None,
    ) -> None:
        twin = Preprocessor(network_wh, resize, normalization, dtype, pad_value, layout)
        if resize == 'center_crop':
            raise ParameterError(
                "resize 'center_crop' has no kernel; Preprocessor does it on the CPU", 'resize'
            )
        self.device = device
        self.network_wh = network_wh
        self.resize = resize
        self.normalization = twin.normalization
        self.dtype = twin.dtype
        self.pad_value = pad_value
        width, height = network_wh
        self.layout = twin.layout
        self._shape = twin.shape
        self._grid = (-(-width // _TILE), -(-height // _TILE))
        self._kernels: dict[str, Kernel] = {}
        self._plans: dict[tuple[int, int, str, Region | None], _Plan] = {}
        self._resources = Resources()
        with self._resources.closed_on_error():
            self._module = self._resources.add(load_module(device, 'preprocess'))
            table = _table(twin)
            self._table = self._resources.add(DeviceBuffer(device, table.shape, table.dtype))
            upload(table, self._table)

    def new_tensor(self) -> DeviceBuffer:
        """An input tensor in GPU memory, for `enqueue` to fill."""
        return DeviceBuffer(self.device, self._shape, self.dtype)

    def enqueue(self, image: DeviceImage, target: DeviceBuffer, stream: Stream) -> ImageTransform:
        """Enqueue the work that makes an image's input tensor; the context must be current.

        Parameters
        ----------
        image : DeviceImage
            Its bytes must not change until the stream has passed this work.
        target : DeviceBuffer
            As `new_tensor` gives it; completely overwritten.
        stream : Stream
            The launch runs on it.

        Returns
        -------
        ImageTransform
            From the network's pixels to the image's, or to the region's.

        Raises
        ------
        ImageError
            When the encoding is not supported, or the region reaches beyond the image.
        CudaError
            When the target has another shape or dtype, or the launch fails.
        """
        if target.shape != self._shape or target.dtype != self.dtype:
            raise CudaError(
                f'the tensor to fill is {target.dtype} {target.shape}; {self.dtype} {self._shape} '
                'is needed'
            )
        plan = self._plans.get(_key(image))
        if plan is None:
            plan = self._new_plan(image)
        plan.kernel.launch(
            stream,
            self._grid,
            _BLOCK,
            image.address,
            image.step,
            image.width,
            image.height,
            plan.variant,
            image.colors_address,
            *plan.region,
            target.address,
            *plan.placement,
        )
        return plan.transform

    def close(self) -> None:
        """Release what is on the GPU; may be called twice. No launch may be under way."""
        self._resources.close()

    def _new_plan(self, image: DeviceImage) -> _Plan:
        if image.encoding not in FAMILIES:
            raise not_converted(image.encoding)
        if image.width < 1 or image.height < 1:
            raise ImageError(
                f'image is {image.width}×{image.height}: it has no pixels; check that the driver '
                'sets width and height'
            )
        family, variant = FAMILIES[image.encoding]
        region = image.region or Region.whole((image.width, image.height))
        region.require_inside((image.width, image.height))
        transform = fit(region.size_wh, self.network_wh, self.resize)
        content_w, content_h = transform.content_wh
        placement = (
            *self.network_wh,
            content_w,
            content_h,
            *transform.offset_xy,
            # OpenCV divides like this, which does not always give region.width / content_w.
            1 / (content_w / region.width),
            1 / (content_h / region.height),
            self._table.address,
            int(self.normalization.color_order == 'rgb'),
            self.layout.channels,
            int(self.layout.channels_last),
        )
        if len(self._plans) >= _KEPT_PLANS:
            self._plans.clear()
        area = region.left, region.top, region.width, region.height
        plan = _Plan(self._kernel(family), variant, area, placement, transform)
        self._plans[_key(image)] = plan
        return plan

    def _kernel(self, family: str) -> Kernel:
        name = f'preprocess_{family}_{self.dtype.name}'
        if name not in self._kernels:
            self._kernels[name] = self._module.get_function(name, _SIGNATURE)
        return self._kernels[name]


@dataclass(frozen=True, slots=True)
class _Plan:
    """What all launches for a region of images of one size and encoding have in common."""

    kernel: Kernel
    variant: int
    region: tuple[int, int, int, int]  # left, top, width, height
    placement: tuple[float, ...]  # the kernel's arguments from network_w on
    transform: ImageTransform


def _key(image: DeviceImage) -> tuple[int, int, str, Region | None]:
    """What images of one plan have in common."""
    return image.width, image.height, image.encoding, image.region


def _table(twin: Preprocessor) -> NDArray[Any]:
    """What each pixel value becomes in each channel, then the padding of each."""
    return np.concatenate([twin.tables.ravel(), twin.tables[:, twin.pad_value]])


def not_converted(encoding: str) -> ImageError:
    """The error for an encoding that no kernel takes."""
    return ImageError(
        f'image is {quoted(encoding)}, which cannot be converted on the GPU; supported are '
        f"{', '.join(ENCODINGS)}: set the driver's pixel format to one of them"
    )


def upload(array: NDArray[Any], buffer: DeviceBuffer) -> None:
    """Copy the array to GPU memory, and wait for the copy."""
    temporary = Resources()
    with temporary.closed_on_error(), buffer.device.pushed():
        staging = temporary.add(PinnedBuffer(buffer.device, array.shape, array.dtype))
        staging.array[:] = array
        stream = temporary.add(buffer.device.new_stream())
        buffer.copy_from_host(staging, stream)
        stream.synchronize()
    temporary.close()
