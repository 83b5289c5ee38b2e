"""NVDEC, the video decoder of NVIDIA's GPUs, through PyNvVideoCodec: packets into pictures there.

PyNvVideoCodec is NVIDIA's, and nowhere needed. Only its decoder is used: packets are read by
whoever knows where they come from. What it decodes is copied within the GPU's memory, since its
own memory is written again with the next packet.
"""

from __future__ import annotations

import ctypes
import importlib
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from jetson_perception.cuda.presence import gpu_problem
from jetson_perception.cuda.release import Resources
from jetson_perception.errors import CudaError
from jetson_perception.installing import pip_install
from jetson_perception.printable import printable

if TYPE_CHECKING:
    from jetson_perception.cuda.device_picture import DevicePicture, PicturePool
    from jetson_perception.cuda.recoloring import CudaRecoloring

CODECS = {'h264': 'H264', 'hevc': 'HEVC'}
"""FFmpeg's names of the codecs that are decoded, and PyNvVideoCodec's."""

_NAME = 'PyNvVideoCodec'
#: Parts of the driver that it loads; without them it logs pages.
_LIBRARIES = 'libnvcuvid.so.1', 'libnvidia-encode.so.1'
_MOST_TEXT = 200
#: Sides of pictures that every NVDEC decodes; of others it is asked.
_SURE = range(256, 4097)


class NvdecError(CudaError):
    """NVDEC or its library refused something; the GPU may be as well as ever."""


class DecodedPicture(NamedTuple):
    """A picture, and the number of the packet that it came in."""

    picture: DevicePicture
    number: int


def nvdec_problem() -> str:
    """Why nothing can be decoded by NVDEC here; empty when it can, as far as is known."""
    problem = gpu_problem()
    if problem:
        return problem
    for name in _LIBRARIES:
        try:
            ctypes.CDLL(name)
        except OSError:
            return (
                f'{name} is not there, a part of the driver; a container needs it among its '
                'capabilities: NVIDIA_DRIVER_CAPABILITIES=compute,utility,video'
            )
    try:
        _library()
    except NvdecError as error:
        return str(error)
    return ''


def _library() -> Any:
    try:
        library = importlib.import_module(_NAME)
    except ImportError as error:
        raise NvdecError(
            f'{_NAME} cannot be imported ({printable(error, 100)}): {pip_install(_NAME)}'
        ) from error
    except Exception as error:  # it asks the driver as it is imported, and raises anything
        raise NvdecError(f'{_NAME} does not start: {printable(error, _MOST_TEXT)}') from error
    return library


class Nvdec:
    """Decodes one video's packets into the memory of a pool, in the order of their display.

    One thread at a time may call it, with the device's context current.

    Parameters
    ----------
    pool : PicturePool
        Of the GPU that decodes; its owner closes it afterwards.
    codec : str
        A key of `CODECS`.
    size_wh : tuple of int
        Width and height of its pictures.
    recolor : CudaRecoloring, optional
        What pictures pass; its owner closes it afterwards.
    at_once : bool
        Have a picture come with its packet; for videos whose pictures are not reordered alone.

    Raises
    ------
    NvdecError
        When there is no such decoder.
    CudaError
        When the GPU failed.
    """

    def __init__(
        self,
        pool: PicturePool,
        codec: str,
        size_wh: tuple[int, int],
        recolor: CudaRecoloring | None = None,
        *,
        at_once: bool = False,
    ) -> None:
        problem = nvdec_problem()
        if problem:
            raise NvdecError(problem)
        self._library = library = _library()
        self._pool, self._recolor = pool, recolor
        self._flag = library.VideoPacketFlag.ENDOFPICTURE.value if at_once else 0
        latency = library.DisplayDecodeLatencyType
        self._resources = Resources()
        self._decoder: Any = None
        device = pool.device
        self._require_size(device.index, codec, size_wh)
        with self._resources.closed_on_error():
            self._stream = self._resources.add(device.new_stream())
            try:
                self._decoder = library.CreateDecoder(
                    gpuid=device.index,
                    codec=getattr(library.cudaVideoCodec, CODECS[codec]),
                    cudacontext=device.context_handle,
                    cudastream=self._stream.handle,
                    usedevicememory=True,
                    latency=latency.LOW if at_once else latency.NATIVE,
                )
            except Exception as error:
                raise NvdecError(f'no decoder: {printable(error, _MOST_TEXT)}') from error

    def decode(self, data: bytes, number: int) -> list[DecodedPicture]:
        """The pictures that a packet completes; none or more.

        Parameters
        ----------
        data : bytes
            In Annex B's format.
        number : int
            Comes back with the picture.

        Raises
        ------
        NvdecError
            When it cannot be decoded, or has pixels other than 8-bit 4:2:0.
        CudaError
            When there is no memory for a picture, or the GPU failed.
        """
        packet = self._library.PacketData()
        held = np.frombuffer(data, np.uint8)
        packet.bsl_data, packet.bsl = int(held.ctypes.data), len(data)
        packet.pts, packet.decode_flag = number, self._flag
        return self._decoded(packet)

    def flush(self) -> list[DecodedPicture]:
        """The pictures that were held back, at the end of a video; raises as `decode`."""
        return self._decoded(self._library.PacketData())

    def close(self) -> None:
        """Release it, with the context current; may be called twice. Pictures stay."""
        # The library ends its session with the last reference.
        self._decoder = None
        self._resources.close()

    def _require_size(self, index: int, codec: str, size_wh: tuple[int, int]) -> None:
        """Refuse a size before the library meets it, in functions that the driver calls."""
        width, height = size_wh
        if width in _SURE and height in _SURE:
            return
        kind = getattr(self._library.cudaVideoCodec, CODECS[codec])
        try:
            caps = self._library.GetDecoderCaps(gpuid=index, codec=kind)
            least_wh = caps['width_min'], caps['height_min']
            most_wh = caps['width_max'], caps['height_max']
        except Exception as error:
            raise NvdecError(
                f'this GPU does not say what it decodes: {printable(error, _MOST_TEXT)}'
            ) from error
        if (
            width < least_wh[0]
            or height < least_wh[1]
            or width > most_wh[0]
            or height > most_wh[1]
        ):
            raise NvdecError(
                f'its pictures are {width}×{height}; this GPU decodes {codec} of '
                f'{least_wh[0]}×{least_wh[1]} to {most_wh[0]}×{most_wh[1]}'
            )

    def _decoded(self, packet: Any) -> list[DecodedPicture]:
        try:
            frames = self._decoder.Decode(packet)
            if frames:
                self._decoder.WaitOnCUStream(self._stream.handle)
        except Exception as error:
            self._stream.synchronize()  # raises where it is not the packet, but the GPU
            raise NvdecError(f'NVDEC: {printable(error, _MOST_TEXT)}') from error
        return [DecodedPicture(self._copy(frame), frame.getPTS()) for frame in frames]

    def _copy(self, frame: Any) -> DevicePicture:
        """What keeps when the library's memory is written again."""
        size_wh, step, luma, chroma = self._planes(frame)
        nbytes = step * size_wh[1]
        memory = self._pool.take(nbytes * 3 // 2)
        try:
            address, stream = memory.buffer.address, self._stream
            memory.buffer.copy_from_address(luma, stream, nbytes)
            memory.buffer.copy_from_address(chroma, stream, nbytes // 2, offset=nbytes)
            if self._recolor is not None:
                self._recolor.enqueue(address, step, size_wh, stream)
            memory.ready.record(stream)
        except BaseException:
            self._stream.synchronize()
            self._pool.give_back(memory)
            raise
        return self._pool.picture(memory, size_wh, step)

    def _planes(self, frame: Any) -> tuple[tuple[int, int], int, int, int]:
        """Width and height of a frame, bytes of a row, and the addresses of its two planes."""
        kind = frame.format
        if kind != self._library.Pixel_Format.NV12:
            raise NvdecError(f'its pixels are {printable(kind, 40)}; NV12 is taken')
        luma, chroma = frame.cuda()
        (height, width), (rows, columns) = luma.shape[:2], chroma.shape[:2]
        step = int(luma.stride[0])
        if (2 * rows, 2 * columns) != (height, width) or chroma.stride[0] != step or step < width:
            raise NvdecError(
                f'a picture of {width}×{height} has colors of {columns}×{rows} and rows of {step} '
                'bytes; expected NV12 with even sides'
            )
        return (int(width), int(height)), step, int(luma.dataptr), int(chroma.dataptr)
