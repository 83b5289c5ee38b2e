"""A stand-in for NVIDIA's PyNvVideoCodec, on the GPU's stand-in: its decoder of packets.

It is not NVDEC: FFmpeg decodes, and pictures come as NV12. It is strict. Names, arguments, types
and defaults are those of PyNvVideoCodec 2.2.4, against which test_pynvvideocodec_names.py holds
them. As with the real one, packets are read while `Decode` runs and not later, the memory of
pictures is written again with the next packet, work is on the stream that was given, and pictures
come later than their packets unless the latency is low. Numbers of packets are given out in
ascending order, as on an H200, and not with the pictures that they came with. What the real one
would not survive raises MisuseError: another context, a stream that is not there, two threads at
a time.
"""

from __future__ import annotations

import ctypes
import enum
import heapq
import sys
import threading
import types
from collections import deque

import av
import numpy as np
from standin_pycuda import MisuseError

from jetson_perception.cuda import nvdec as nvdec_module

LIBRARIES = ('libnvcuvid.so.1', 'libnvidia-encode.so.1')
#: How many pictures are held back where the latency is not low.
HELD_BACK = 3


class VideoPacketFlag(enum.Enum):
    ENDOFSTREAM = 1
    TIMESTAMP = 2
    DISCONTINUITY = 4
    ENDOFPICTURE = 8
    NOTIFY_EOS = 16


class DisplayDecodeLatencyType(enum.Enum):
    NATIVE = 0
    LOW = 1
    ZERO = 2


class OutputColorType(enum.Enum):
    NATIVE = 0
    RGB = 1
    RGBP = 2


class cudaVideoCodec(enum.Enum):  # noqa: N801 - the library's name
    H264 = 4
    HEVC = 8


class Pixel_Format(enum.Enum):  # noqa: N801 - the library's name
    NV12 = 3
    YUV444 = 4
    P016 = 5


class PyNvVCException(Exception):  # noqa: N818 - the library's name
    pass


class PacketData:
    """Holds integers alone, as the real one does."""

    _NAMES = ('bsl', 'bsl_data', 'pts', 'dts', 'decode_flag', 'discardable', 'key')
    __slots__ = _NAMES

    def __init__(self):
        for name in self._NAMES:
            setattr(self, name, 0)

    def __setattr__(self, name, value):
        if type(value) is not int:
            raise TypeError(f'{name}(): incompatible function arguments')
        object.__setattr__(self, name, value)


class CAIMemoryView:
    def __init__(self, shape, stride, dataptr):
        self.shape, self.stride, self.dataptr = shape, stride, dataptr


class DecodedFrame:
    def __init__(self, kind, views, pts):
        self.format = kind
        self._views, self._pts = views, pts

    def cuda(self):
        return self._views

    def getPTS(self):
        return self._pts


class PyNvDecoder:
    """One session; ended with its last reference."""

    def __init__(self, library, codec, stream, latency):
        self._library, self._standin, self._stream = library, library.standin, stream
        self._latency = latency
        self._context = av.CodecContext.create(
            {cudaVideoCodec.H264: 'h264', cudaVideoCodec.HEVC: 'hevc'}[codec], 'r'
        )
        self._context.thread_count = 1
        self._held: deque = deque()
        self._numbers: list[int] = []
        self._memory: list = []
        self._busy = threading.Lock()
        library.sessions += 1

    def Decode(self, packet):
        if not isinstance(packet, PacketData):
            raise TypeError('Decode(): incompatible function arguments')
        if not self._busy.acquire(blocking=False):
            raise MisuseError('two threads decode by one decoder')
        try:
            self._standin.current()
            return self._decode(packet)
        finally:
            self._busy.release()

    def WaitOnCUStream(self, stream):
        if self._standin.streams[stream] is not self._stream:
            raise MisuseError('this stand-in waits on its own stream alone')

    def _decode(self, packet):
        self._free()
        number = self._library.packets
        self._library.packets += 1
        if number in self._library.refused:
            raise PyNvVCException('HandlePictureDecode : stand-in refuses')
        if number in self._library.hidden:
            return []
        if not packet.bsl:
            return self._given(self._pictures(None), 0)
        data = av.Packet(ctypes.string_at(packet.bsl_data, packet.bsl))
        data.pts = data.dts = packet.pts
        heapq.heappush(self._numbers, packet.pts)
        is_low = self._latency is not DisplayDecodeLatencyType.NATIVE
        if is_low and packet.decode_flag & VideoPacketFlag.ENDOFPICTURE.value == 0:
            raise MisuseError('a picture at once needs the flag that says where it ends')
        return self._given(self._pictures(data), 0 if is_low else HELD_BACK)

    def _pictures(self, data):
        try:
            return self._context.decode(data)
        except (av.error.FFmpegError, EOFError):
            return []  # the parser goes on to the next picture that it can decode

    def _given(self, pictures, held_back):
        self._held.extend(pictures)
        given = []
        while len(self._held) > held_back:
            given.append(self._frame(self._held.popleft()))
        return given

    def _frame(self, picture):
        if picture.format.name not in ('yuv420p', 'yuvj420p'):
            return DecodedFrame(Pixel_Format.P016, [], heapq.heappop(self._numbers))
        planes = picture.to_ndarray()
        height, width = picture.height, picture.width
        step = width + self._library.padding
        nv12 = np.full((height * 3 // 2, step), 0xEE, np.uint8)
        nv12[:height, :width] = planes[:height]
        quarter = height * width // 4
        u, v = planes[height:].reshape(-1)[: 2 * quarter].reshape(2, height // 2, width // 2)
        nv12[height:, 0:width:2], nv12[height:, 1:width:2] = u, v
        memory = self._standin.allocate(nv12.size)
        self._memory.append(memory)

        def write():
            memory.array[:] = nv12.reshape(-1)

        self._standin.enqueue(self._stream, 'decode', write, memory)
        views = [
            CAIMemoryView([height, width, 1], [step, 1, 1], memory.address),
            CAIMemoryView(
                [height // 2, width // 2, 2], [step, 2, 1], memory.address + step * height
            ),
        ]
        return DecodedFrame(Pixel_Format.NV12, views, heapq.heappop(self._numbers))

    def _free(self):
        """Write over the pictures of the packet before, as the next ones do, in order."""
        for memory in self._memory:

            def spoil(memory=memory):
                memory.array[:] = 0xCD

            self._standin.enqueue(self._stream, 'decode', spoil, memory)
        self._library.spoiled += self._memory
        self._memory = []

    def __del__(self):
        if not hasattr(self, '_memory'):
            return
        self._library.sessions -= 1
        # The real one has its context made current, and waits for its stream.
        self._standin.drain(self._stream, self._stream.submitted)
        for memory in self._memory:
            self._standin.release(memory)
        self._library.release_spoiled()


class StandinPyNvVideoCodec:
    """What `import PyNvVideoCodec` gives.

    Parameters
    ----------
    standin : standin_pycuda.Standin
    padding : int
        Bytes behind each row of a picture.
    refused : container of int
        Numbers of packets, of all sessions together, that `Decode` raises for.
    creation_error : str
        What `CreateDecoder` says instead of making one.
    hidden : container of int
        Numbers of packets, counted in the same way, after which nothing is shown.

    Attributes
    ----------
    sessions : int
        Decoders that are about.
    created : list of dict
        The arguments of each that was made.
    packets : int
        How many were given to all of them.
    """

    def __init__(self, standin, *, padding=0, refused=(), creation_error='', hidden=()):
        self.standin, self.padding, self.refused = standin, padding, refused
        self.creation_error, self.hidden = creation_error, hidden
        self.sessions = self.packets = 0
        self.created = []
        self.spoiled = []

    def CreateDecoder(
        self,
        gpuid=0,
        codec=cudaVideoCodec.H264,
        cudacontext=0,
        cudastream=0,
        usedevicememory=False,
        maxwidth=0,
        maxheight=0,
        outputColorType=OutputColorType.NATIVE,  # noqa: N803
        enableSEIMessage=False,  # noqa: N803
        bWaitForSessionWarmUp=False,  # noqa: N803
        latency=DisplayDecodeLatencyType.NATIVE,
        enableDecodeStats=False,  # noqa: N803
    ):
        if self.creation_error:
            raise PyNvVCException(self.creation_error)
        if cudacontext != self.standin.current().handle:
            raise MisuseError(f'{cudacontext} is not the context that is current')
        if cudastream not in self.standin.streams:
            raise MisuseError(f'there is no stream {cudastream}')
        if not usedevicememory:
            raise MisuseError('pictures would be in host memory')
        self.created.append({'gpuid': gpuid, 'codec': codec.name, 'latency': latency.name})
        return PyNvDecoder(self, codec, self.standin.streams[cudastream], latency)

    def GetDecoderCaps(self, gpuid=0, codec=cudaVideoCodec.H264, chromaformat=1, bitdepth=8):
        return {'width_min': 48, 'height_min': 16, 'width_max': 4096, 'height_max': 4096}

    def release_spoiled(self):
        spoiled, self.spoiled = self.spoiled, []
        for memory in spoiled:
            if memory.pending:
                self.spoiled.append(memory)
            else:
                self.standin.release(memory)


def install(monkeypatch, standin, **options):
    """Be the machine's PyNvVideoCodec, with a driver that has its parts, until the test ends."""
    library = StandinPyNvVideoCodec(standin, **options)
    module = types.ModuleType('PyNvVideoCodec')
    for each in (
        VideoPacketFlag,
        DisplayDecodeLatencyType,
        OutputColorType,
        cudaVideoCodec,
        Pixel_Format,
        PyNvVCException,
        PacketData,
        PyNvDecoder,
        DecodedFrame,
        CAIMemoryView,
    ):
        setattr(module, each.__name__, each)
    module.CreateDecoder = library.CreateDecoder
    module.GetDecoderCaps = library.GetDecoderCaps
    monkeypatch.setitem(sys.modules, 'PyNvVideoCodec', module)
    load = ctypes.CDLL

    def load_any(name, *args, **kwargs):
        return object() if name in LIBRARIES else load(name, *args, **kwargs)

    monkeypatch.setattr(nvdec_module.ctypes, 'CDLL', load_any)
    monkeypatch.setattr(nvdec_module, 'gpu_problem', str)
    return library
