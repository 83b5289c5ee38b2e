"""Videos decoded by NVDEC, whose frames stay in the GPU's memory."""

from __future__ import annotations

import itertools
import math
import time
from collections import deque
from typing import TYPE_CHECKING

from jetson_perception.cuda import CudaDevice, Resources
from jetson_perception.cuda.device_picture import PicturePool
from jetson_perception.cuda.nvdec import CODECS, Nvdec, NvdecError, nvdec_problem
from jetson_perception.cuda.recoloring import CudaRecoloring
from jetson_perception.errors import CudaError, SourceError
from jetson_perception.images.pixel_limit import limit_in_words
from jetson_perception.images.video_colors import Recoloring, recoloring
from jetson_perception.printable import counted, printable

if TYPE_CHECKING:
    from jetson_perception.camera.video_packets import TimedPacket, VideoPackets
    from jetson_perception.cuda.device_picture import DevicePicture

_FORMATS = 'yuv420p', 'yuvj420p'
_ABOVE_ALL_COUNTS = 1 << 48
_MOST_REFUSED = 300  # packets in a row that give no picture before a video counts as over


def decoding_gpu(wanted: str) -> int:
    """The index of the GPU that is to decode, one of `VIDEO_DECODERS` being wanted.

    Raises
    ------
    NvdecError
        When none can or, with auto, no engine of this process runs on one.
    """
    in_use = CudaDevice.in_use()
    if wanted == 'auto' and not in_use:
        raise NvdecError('no engine of this process runs on a GPU')
    problem = nvdec_problem()
    if problem:
        raise NvdecError(problem)
    return min(in_use, default=0)


class GpuVideo:
    """The pictures of a video, in the order in which they are shown; from one thread at a time.

    Parameters
    ----------
    packets : VideoPackets
        Open; closed with this, and if this cannot be made.
    index : int
        Of the GPU that decodes.
    max_image_pixels : int
        A larger picture is refused.
    at_once : bool
        Have a picture come with its packet, where pictures are not reordered.
    first_within_s : float, optional
        How long a live stream may take to show its first picture: it may have begun long before,
        and keyframes may be far apart. A file has to show one with its first packets.

    Raises
    ------
    NvdecError
        When the GPU does not decode this video, or shows nothing of it.
    SourceError
        When its packets cannot be read.
    CudaError
        When the GPU failed, or its memory is full.

    Attributes
    ----------
    packet : TimedPacket
        The one that the last picture came in.
    """

    def __init__(
        self,
        packets: VideoPackets,
        index: int,
        max_image_pixels: int,
        *,
        at_once: bool = False,
        first_within_s: float | None = None,
    ) -> None:
        self._packets = packets
        self._most_pixels = max_image_pixels
        self._resources = Resources()
        self._resources.add(packets)
        self._numbers = itertools.count()
        self._under_way: dict[int, TimedPacket] = {}
        self._decoded: deque[tuple[DevicePicture, TimedPacket]] = deque()
        self._ended = False
        self.packet: TimedPacket | None = None
        with self._resources.closed_on_error():
            wanted = wanted_colors(packets)
            pool = self._resources.add(PicturePool(index))
            self._device = pool.device
            with self._device.pushed():
                recolor = None
                if wanted is not None:
                    recolor = self._resources.add(CudaRecoloring(self._device, wanted))
                self._is_ordered = at_once and not packets.reordered
                self._nvdec = self._resources.add(
                    Nvdec(pool, packets.codec, packets.size_wh, recolor, at_once=self._is_ordered)
                )
                # Only then is it known that this GPU decodes this video.
                self._find_first(first_within_s)

    def read(self) -> DevicePicture | None:
        """The next picture; None after the last.

        Raises
        ------
        SourceError
            When a server ends the stream or sends nothing, or a picture is too large; when the
            last packets were refused, or the GPU's memory stayed full.
        CudaError
            When the GPU failed for good.
        """
        refused, problem = 0, ''
        while not self._decoded and not self._ended:
            try:
                with self._device.pushed():
                    self._go_on()
            except CudaError as error:  # the next picture may be decoded, or find room
                if error.fatal:
                    raise
                refused += 1
                problem = str(error)  # as text: the error refers to objects on the GPU
                if refused > _MOST_REFUSED:
                    self._ended = True
        if not self._decoded:
            if problem:
                packets = counted(refused, 'packet')
                raise SourceError(f'the GPU decoded nothing of the last {packets}: {problem}')
            return None
        picture, self.packet = self._decoded.popleft()
        return picture

    def interrupt(self) -> None:
        """End a `read` under way with its packet, and the video with it; from any thread."""
        self._ended = True

    def close(self) -> None:
        """Release all but the pictures that are about; may be called twice."""
        self._decoded.clear()
        with self._device.pushed():
            self._resources.close()

    def _find_first(self, within_s: float | None) -> None:
        """Decode up to the first picture."""
        until_s = math.inf if within_s is None else time.monotonic() + within_s
        for count in itertools.count(1):
            self._go_on()
            if self._decoded:
                return
            if self._ended:
                raise NvdecError('NVDEC finds no picture in it')
            over = count >= _MOST_REFUSED if within_s is None else time.monotonic() > until_s
            if over:
                raise NvdecError(f'NVDEC shows no picture of its first {count} packets')

    def _go_on(self) -> None:
        """Decode one more packet, or find that there is none."""
        packet = self._packets.read()
        if packet is None:
            self._ended = True
            decoded = self._nvdec.flush()
        else:
            number = self._number(packet)
            self._under_way[number] = packet
            decoded = self._nvdec.decode(packet.data, number)
        for picture, number in decoded:
            of = self._under_way.pop(number, None)
            if picture.width * picture.height > self._most_pixels:
                raise SourceError(
                    f'a picture is {picture.width}×{picture.height} pixels; '
                    f'{limit_in_words(self._most_pixels)}'
                )
            if of is not None and not of.hidden:
                self._decoded.append((picture, of))
        while len(self._under_way) > _MOST_REFUSED:
            del self._under_way[next(iter(self._under_way))]  # of a picture that never came

    def _number(self, packet: TimedPacket) -> int:
        """What is to come back with a packet's picture.

        NVDEC gives numbers out in ascending order, with whichever packet they came (seen on an
        H200): so they have to ascend as pictures are shown.
        """
        count = next(self._numbers)
        if self._is_ordered or packet.time_ms is None:
            return count
        number = round(packet.time_ms * 1000) + _ABOVE_ALL_COUNTS
        while number in self._under_way:
            number += 1
        return number


def wanted_colors(packets: VideoPackets) -> Recoloring | None:
    """What makes its colors those of BT.601, if they are others.

    Raises
    ------
    NvdecError
        When the video is of a kind that is not decoded on the GPU.
    """
    if packets.codec not in CODECS:
        raise NvdecError(
            f'it is {printable(packets.codec, 40)}; {" and ".join(CODECS)} are decoded there'
        )
    if packets.pixel_format not in _FORMATS:
        raise NvdecError(
            f'its pixels are {printable(packets.pixel_format, 40)}; 8-bit 4:2:0 (yuv420p) is '
            'decoded there'
        )
    if not packets.timed:
        raise NvdecError('its container has no times of frames')
    try:
        return recoloring(packets.matrix, packets.color_range)
    except KeyError:
        raise NvdecError(f'its colors are of an unusual kind ({packets.matrix})') from None
