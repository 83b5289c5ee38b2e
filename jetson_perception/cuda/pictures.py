"""Pictures of class masks, on the GPU: a color for each class, alone or over the image.

They come and go with subscribers, so they are not part of the graph that makes the mask, and a
failure here costs a picture, never a mask. The frame's image is copied first, because its slot is
used again long before there is a mask to lay over the image.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, NamedTuple

from jetson_perception.cuda.frame_image import FrameImage, growing_bytes
from jetson_perception.cuda.release import Resources
from jetson_perception.cuda.tint import CudaTinter, TintTables
from jetson_perception.errors import PerceptionError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from jetson_perception.cuda.device import CudaDevice, Stream
    from jetson_perception.cuda.preprocess import DeviceImage
    from jetson_perception.tasks.segmentation import PictureOptions

_log = logging.getLogger(__name__)


class Pictures(NamedTuple):
    """The pictures of one frame.

    Attributes
    ----------
    colored, tinted : ndarray, shape (h, w, 3), uint8, or None
        BGR; see `tasks.results.Segmentation`.
    """

    colored: NDArray[np.uint8] | None = None
    tinted: NDArray[np.uint8] | None = None


class CudaPictures:
    """Makes pictures of one engine's frames. One thread at a time may call it.

    Two frames may be under way, each in a block of its own, 0 or 1. For each frame, call `begin`,
    `enqueue` and `collect`, in this order. After a failure it makes no more pictures, which is
    logged.

    Parameters
    ----------
    device : CudaDevice
        The GPU.
    name : str
        The engine's name, for the log.

    Raises
    ------
    CudaError
        When the GPU failed for good; so do all other calls.

    Notes
    -----
    The kernels are compiled on construction, because a running lane cannot wait for that. Memory
    is allocated for the first picture of its kind, and kept.
    """

    def __init__(self, device: CudaDevice, name: str) -> None:
        self._name = name
        self._resources = Resources()
        self._tinter: CudaTinter | None = None
        with self._resources.closed_on_error():
            self._blocks = tuple(self._resources.add(_Block(device)) for _ in range(2))
            try:
                self._tinter = self._resources.add(CudaTinter(device))
            except PerceptionError as error:
                self._give_up(error)

    def begin(
        self, image: DeviceImage, wanted: PictureOptions | None, stream: Stream, block: int = 0
    ) -> None:
        """Set up the next frame of a block, and enqueue a copy of its image if it is needed.

        Parameters
        ----------
        image : DeviceImage
            The frame's image; work that is enqueued later does not read it.
        wanted : PictureOptions or None
            The wanted pictures; None for none.
        stream : Stream
            Copies and launches of this frame run on it; the context must be current.
        block : int
            0 or 1. Its last frame must have been collected, because buffers may grow here.
        """
        mine = self._blocks[block]
        mine.forget()
        if self._tinter is None or wanted is None or not (wanted.colored or wanted.tinted):
            return
        try:
            mine.begin(image, wanted, stream)
        except PerceptionError as error:
            self._give_up(error)

    def enqueue(self, mask_address: int, stream: Stream, block: int = 0) -> None:
        """Enqueue the work that makes the wanted pictures and copies them to the host.

        Parameters
        ----------
        mask_address : int
            Address on the device of (h, w) class ids, uint8, at the image's size.
        stream : Stream
            The stream given to `begin`, behind the work that makes the mask.
        block : int
            The block that was begun.
        """
        if self._tinter is None:
            return
        try:
            self._blocks[block].enqueue(self._tinter, mask_address, stream)
        except PerceptionError as error:
            self._give_up(error)

    def collect(self, block: int = 0) -> Pictures:
        """The pictures of a block's frame, as new arrays, once the stream has passed it."""
        return self._blocks[block].collect()

    def close(self) -> None:
        """Release what is on the GPU; may be called twice. No work may be under way."""
        self._tinter = None
        self._resources.close()

    def _give_up(self, error: PerceptionError) -> None:
        if error.fatal:
            raise error
        self._tinter = None  # closed later with the rest, since a launch may be under way
        # As text: the error refers to objects on the GPU, and someone may keep the log record.
        text = f'{self._name}: pictures are drawn on the CPU from now on: {error}'
        _log.warning('%s', text)


class _Block:
    """The pictures of one frame, and what they are made from."""

    def __init__(self, device: CudaDevice) -> None:
        self._device = device
        self._resources = Resources()
        self._image_bytes = self._resources.add(growing_bytes(device))
        self._colored = self._resources.add(FrameImage(device))
        self._tinted = self._resources.add(FrameImage(device))
        self._wanted: PictureOptions | None = None
        self._tables: TintTables | None = None
        self._tables_of: object = None
        self._image: DeviceImage | None = None

    def forget(self) -> None:
        """Drop the block's pictures, and want none."""
        self._image = self._wanted = None
        for picture in (self._colored, self._tinted):
            picture.forget()

    def begin(self, image: DeviceImage, wanted: PictureOptions, stream: Stream) -> None:
        self._set_tables(wanted)
        shape = (image.height, image.width, 3)
        if wanted.colored:
            self._colored.ensure(shape)
        if wanted.tinted:
            self._tinted.ensure(shape)
            image = image.copied_to(self._image_bytes.ensure(image.nbytes), stream)
        self._image, self._wanted = image, wanted

    def enqueue(self, tinter: CudaTinter, mask_address: int, stream: Stream) -> None:
        image, wanted, tables = self._image, self._wanted, self._tables
        if image is None or wanted is None or tables is None:
            return
        if wanted.colored:
            target, size_wh = self._colored.on_device, (image.width, image.height)
            tinter.enqueue_colors(mask_address, size_wh, tables, target, stream)
            self._colored.download(stream)
        if wanted.tinted:
            tinter.enqueue_blend(image, mask_address, tables, self._tinted.on_device, stream)
            self._tinted.download(stream)

    def collect(self) -> Pictures:
        return Pictures(self._colored.copy(), self._tinted.copy())

    def close(self) -> None:
        self.forget()
        self._resources.close()

    def _set_tables(self, wanted: PictureOptions) -> None:
        """Fill the tables for these colors, which the block's last frame no longer reads."""
        of = (wanted.colors, wanted.blend)
        if self._tables_of == of:
            return
        self._tables_of = None  # in case the rest fails
        if self._tables is None:
            self._tables = self._resources.add(TintTables(self._device, *of))
        else:
            self._tables.set(*of)
        self._tables_of = of
