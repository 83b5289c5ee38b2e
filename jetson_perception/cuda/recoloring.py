"""Recolors NV12 on the GPU: the twin of `images.video_colors.Recoloring.apply`, bit for bit."""

from __future__ import annotations

from typing import TYPE_CHECKING

from jetson_perception.cuda.compiler import load_module
from jetson_perception.cuda.release import Resources

if TYPE_CHECKING:
    from jetson_perception.cuda.device import CudaDevice, Stream
    from jetson_perception.images.video_colors import Recoloring

# The same as in recoloring.cu.
_BLOCK = (32, 8)
_SIGNATURE = 'Piiiiiiiiiii'


class CudaRecoloring:
    """Recolors the pictures of one video; from one thread at a time.

    Parameters
    ----------
    device : CudaDevice
        The GPU.
    wanted : Recoloring
        How.

    Raises
    ------
    CudaError
        When the kernel cannot be compiled or loaded.
    """

    def __init__(self, device: CudaDevice, wanted: Recoloring) -> None:
        self._wanted = wanted
        self._resources = Resources()
        with self._resources.closed_on_error():
            module = self._resources.add(load_module(device, 'recoloring'))
            self._kernel = module.get_function('recolor_nv12', _SIGNATURE)

    def enqueue(self, address: int, step: int, size_wh: tuple[int, int], stream: Stream) -> None:
        """Enqueue the work for a picture, in place; the context must be current.

        Parameters
        ----------
        address : int
            Of the picture's first byte, in device memory.
        step : int
            Bytes from one row to the next; the rows of colors follow those of brightness.
        size_wh : tuple of int
            Width and height in pixels, both even.
        stream : Stream
            The launch runs on it.
        """
        width, height = size_wh
        across, down = (2 * each for each in _BLOCK)
        grid = -(-width // across), -(-height // down)
        self._kernel.launch(stream, grid, _BLOCK, address, step, width, height, *self._wanted)

    def close(self) -> None:
        """Release it; may be called twice. No launch may be under way."""
        self._resources.close()
