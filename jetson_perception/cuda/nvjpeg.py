"""nvJPEG through ctypes: JPEGs decoded into GPU memory.

It is a part of CUDA, so that it is there where the toolkit is, and nowhere needed. Only functions
that CUDA 11 had already are called. What decodes is chosen as the library is opened: an engine of
the GPU that is made for it, or kernels, for which the CPU does the first step.
"""

from __future__ import annotations

import ctypes
from typing import TYPE_CHECKING, Any

from jetson_perception.cuda.compiler import toolkits
from jetson_perception.errors import CudaError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from jetson_perception.cuda.device import CudaDevice, Stream
    from jetson_perception.images.plain_jpeg import PlainJpeg

HARDWARE, DEFAULT = 3, 0
"""Values of nvjpegBackend_t."""

BACKENDS: dict[int, str] = {HARDWARE: "the GPU's JPEG engine", DEFAULT: 'kernels'}
"""What they decode by; the one that costs the CPU least comes first."""

# A Jetson has another library of the name libnvjpeg.so, without a version.
_NAMES = 'libnvjpeg.so.13', 'libnvjpeg.so.12', 'libnvjpeg.so.11'
_FOLDERS = 'lib64', 'lib'

_GRAY, _BGR = 2, 6  # nvjpegOutputFormat_t: brightness alone; BGR, interleaved
#: Report what does not follow the format; interpolate colors between samples, as libjpeg does.
_STRICT, _INTERPOLATE = 1 << 2, 1 << 5
_MOST_COMPONENTS = 4
_STATUSES = (
    'success',
    'not initialized',
    'invalid parameter',
    'bad JPEG',
    'JPEG not supported',
    'allocator failure',
    'execution failed',
    'architecture mismatch',
    'internal error',
    'implementation not supported',
    'incomplete bitstream',
)


class _Image(ctypes.Structure):
    """nvjpegImage_t."""

    _fields_ = (
        ('channel', ctypes.c_void_p * _MOST_COMPONENTS),
        ('pitch', ctypes.c_size_t * _MOST_COMPONENTS),
    )


def libraries() -> Iterator[Any]:
    """Each nvJPEG of this machine that can be loaded, the newest first.

    Calls release the GIL. A library may turn out to be too new for the driver.
    """
    for name in _NAMES:
        for path in _places(name):
            try:
                library = ctypes.CDLL(path)
                _declare(library)
            except (OSError, AttributeError):
                continue
            yield library
            break


def _places(name: str) -> Iterator[str]:
    yield name
    for toolkit in toolkits():
        for folder in _FOLDERS:
            path = toolkit / folder / name
            if path.is_file():
                yield str(path)


def _declare(library: Any) -> None:
    pointer, number, size = ctypes.c_void_p, ctypes.c_int, ctypes.c_size_t
    to_pointer, to_image = ctypes.POINTER(pointer), ctypes.POINTER(_Image)
    data = ctypes.c_char_p
    for name, arguments in {
        'nvjpegGetProperty': [number, ctypes.POINTER(number)],
        'nvjpegCreateEx': [number, pointer, pointer, ctypes.c_uint, to_pointer],
        'nvjpegDestroy': [pointer],
        'nvjpegJpegStateCreate': [pointer, to_pointer],
        'nvjpegJpegStateDestroy': [pointer],
        'nvjpegDecode': [pointer, pointer, data, size, number, to_image, pointer],
        'nvjpegDecodeBatchedInitialize': [pointer, pointer, number, number, number],
        'nvjpegDecodeBatched': [
            pointer,
            pointer,
            ctypes.POINTER(data),
            ctypes.POINTER(size),
            to_image,
            pointer,
        ],
    }.items():
        function = getattr(library, name)
        function.argtypes, function.restype = arguments, number


class NvjpegError(CudaError):
    """nvJPEG refused something; the GPU may be as well as ever."""


class Nvjpeg:
    """nvJPEG, opened with one way of decoding. One thread at a time may call it.

    The device's context must be current in the calling thread.

    Parameters
    ----------
    device : CudaDevice
    library : ctypes.CDLL
        One of `libraries`.
    backend : int
        A key of `BACKENDS`.

    Raises
    ------
    NvjpegError
        When it cannot be opened so: without such an engine, or with a driver that is too old.
    """

    def __init__(self, device: CudaDevice, library: Any, backend: int) -> None:
        self._library = library
        self.backend = backend
        self._states: dict[int, ctypes.c_void_p] = {}
        self._past = device.new_event()
        #: Of the decoding under way: the library says nowhere until when it reads them.
        self._data = b''
        self._handle = ctypes.c_void_p()
        try:
            self._create()
        except BaseException:
            self._past.close()
            raise

    @property
    def description(self) -> str:
        """The library's version, and what decodes."""
        version = []
        for which in range(3):
            value = ctypes.c_int()
            self._library.nvjpegGetProperty(which, ctypes.byref(value))
            version.append(str(value.value))
        return f'nvJPEG {".".join(version)}, {BACKENDS[self.backend]}'

    def decode(self, jpeg: PlainJpeg, address: int, stream: Stream) -> None:
        """Enqueue the decoding of a JPEG to GPU memory.

        Parameters
        ----------
        jpeg : PlainJpeg
        address : int
            Where the pixels are put, as bgr8 or mono8, rows without gaps. Nothing may use this
            memory any more: a JPEG engine writes at once, whatever is on the stream.
        stream : Stream
            Later work on it finds the pixels there.

        Raises
        ------
        NvjpegError
            When the library refuses the JPEG, of which there may be some pixels.
        CudaError
            When the GPU failed.
        """
        self._past.synchronize()  # the library's own buffers are used again
        self._data = jpeg.data
        image = _Image()
        image.channel[0], image.pitch[0] = address, jpeg.width * jpeg.channels
        output = _GRAY if jpeg.channels == 1 else _BGR
        # A JPEG engine takes batches alone.
        decode = self._decode_batch_of_one if self.backend == HARDWARE else self._decode_one
        try:
            decode(output, image, stream.handle)
        finally:
            self._past.record(stream)

    def close(self) -> None:
        """Release it after its work, from any thread with the context; may be called twice."""
        states, self._states = self._states, {}
        handle, self._handle = self._handle, ctypes.c_void_p()
        if not handle:
            return
        try:
            self._past.synchronize()
        finally:
            for state in states.values():
                self._library.nvjpegJpegStateDestroy(state)
            self._library.nvjpegDestroy(handle)
            self._past.close()
            self._data = b''

    def _create(self) -> None:
        """Open it with the flags that it knows: those of CUDA 11 had to be 0."""
        for flags in (_STRICT | _INTERPOLATE, _STRICT, 0):
            status = self._library.nvjpegCreateEx(
                self.backend, None, None, flags, ctypes.byref(self._handle)
            )
            if not status:
                return
            self._handle.value = None
        raise NvjpegError(f'nvJPEG cannot be opened: {_said(status)}')

    def _state(self, output: int) -> ctypes.c_void_p:
        """What the library keeps between two images of one kind."""
        state = self._states.get(output)
        if state is None:
            state = ctypes.c_void_p()
            self._call('nvjpegJpegStateCreate', self._handle, ctypes.byref(state))
            try:
                if self.backend == HARDWARE:
                    self._call('nvjpegDecodeBatchedInitialize', self._handle, state, 1, 1, output)
            except NvjpegError:
                self._library.nvjpegJpegStateDestroy(state)
                raise
            self._states[output] = state
        return state

    def _decode_one(self, output: int, image: _Image, stream: int) -> None:
        state, data = self._state(output), self._data
        which = self._handle, state, data, len(data), output, ctypes.byref(image), stream
        self._call('nvjpegDecode', *which)

    def _decode_batch_of_one(self, output: int, image: _Image, stream: int) -> None:
        state = self._state(output)
        data, lengths = (ctypes.c_char_p * 1)(self._data), (ctypes.c_size_t * 1)(len(self._data))
        which = self._handle, state, data, lengths, ctypes.byref(image), stream
        try:
            self._call('nvjpegDecodeBatched', *which)
        except NvjpegError:
            self._states.pop(output)  # a batch that failed leaves it as it is
            self._library.nvjpegJpegStateDestroy(state)
            raise

    def _call(self, name: str, *arguments: Any) -> None:
        status = getattr(self._library, name)(*arguments)
        if status:
            raise NvjpegError(f'{name}: {_said(status)}')


def _said(status: int) -> str:
    name = _STATUSES[status] if status in range(len(_STATUSES)) else 'unknown'
    return f'{name} (status {status})'
