"""A stand-in for nvJPEG on the GPU's stand-in, called by ctypes as the library is.

It is not nvJPEG: it decodes by OpenCV. It is strict: a handle that is not its own, no current
context, memory that is too small or in use, a state that is used while its last picture is under
way, a batch that was not initialized, and what is not destroyed are errors in `Standin.faults`.
As the real one was seen to do on an H100, a batch by the JPEG engine is written at once, whatever
waits on the stream.
"""

import ctypes

import cv2
import numpy as np

from jetson_perception.cuda import nvjpeg
from jetson_perception.errors import ImageError
from jetson_perception.images.encodings import decode_compressed

INVALID, BAD_JPEG, NOT_SUPPORTED, ALLOCATOR, MISMATCH = 2, 3, 4, 5, 7
_GRAY, _BGR = 2, 6
_NAME = 'libnvjpeg.so.13'


def install(monkeypatch, standin, **options):
    """Be the machine's only nvJPEG until the test ends; options are those of `StandinNvjpeg`."""
    library = StandinNvjpeg(standin, **options)
    load = ctypes.CDLL

    def load_any(name, *args, **kwargs):
        return library if name == _NAME else load(name, *args, **kwargs)

    monkeypatch.setattr(nvjpeg.ctypes, 'CDLL', load_any)
    monkeypatch.setattr(nvjpeg, '_NAMES', (_NAME,))
    return library


class StandinNvjpeg:
    """What `ctypes.CDLL('libnvjpeg.so.13')` gives.

    Parameters
    ----------
    standin : standin_pycuda.Standin
    backends : set of int
        Those that can be opened; others are an architecture mismatch.
    recognizes_damage : bool
        Whether it refuses what the CPU's decoder refuses.
    flags : int
        Those that it knows.
    levels : int
        Added to every pixel.

    Attributes
    ----------
    opened : list of tuple of int
        Backend and flags of each handle that was made.
    decoded : list of bytes
        Each JPEG that it took.
    status : int
        What decoding returns, if not 0, without doing anything.
    """

    def __init__(
        self,
        standin,
        *,
        backends=(nvjpeg.HARDWARE, nvjpeg.DEFAULT),
        recognizes_damage=True,
        flags=0xFF,
        levels=0,
    ):
        self._standin = standin
        self._backends, self._flags = set(backends), flags
        self._recognizes_damage, self._levels = recognizes_damage, levels
        self._handles: dict[int, int] = {}
        self._states: dict[int, _State] = {}
        self.opened: list[tuple[int, int]] = []
        self.decoded: list[bytes] = []
        self.status = 0
        pointer, number, size = ctypes.c_void_p, ctypes.c_int, ctypes.c_size_t
        for function, *arguments in (
            (self._get_property, number, pointer),
            (self._create_ex, number, pointer, pointer, ctypes.c_uint, pointer),
            (self._destroy, pointer),
            (self._jpeg_state_create, pointer, pointer),
            (self._jpeg_state_destroy, pointer),
            (self._decode, pointer, pointer, pointer, size, number, pointer, pointer),
            (self._decode_batched_initialize, pointer, pointer, number, number, number),
            (self._decode_batched, pointer, pointer, pointer, pointer, pointer, pointer),
        ):
            name = 'nvjpeg' + function.__name__.title().replace('_', '')
            made = ctypes.CFUNCTYPE(number, *arguments)(self._guarded(function))
            setattr(self, name, made)

    def _guarded(self, function):
        """The function; what it raises would be lost in C."""

        def call(*args):
            try:
                self._standin.current()
                return function(*args) or 0
            except BaseException as err:  # noqa: BLE001 - `check` tells it
                self._standin.faults.append(f'{function.__name__}: {err!r}')
                return 8

        return call

    def _get_property(self, which, value):
        ctypes.c_int.from_address(value).value = (13, 0, 1)[which]

    def _create_ex(self, backend, device_allocator, pinned_allocator, flags, handle):
        assert not device_allocator
        assert not pinned_allocator
        self._standin.not_capturing('cudaMalloc')
        if flags & ~self._flags:
            return INVALID
        if backend not in self._backends:
            return MISMATCH
        ctypes.c_void_p.from_address(handle).value = made = self._standin.handle()
        self._handles[made] = backend
        self._standin.live['nvJPEG handle'] = len(self._handles)
        self.opened.append((backend, flags))
        return 0

    def _destroy(self, handle):
        assert not [each for each in self._states.values() if each.handle == handle]
        del self._handles[handle]
        self._standin.live['nvJPEG handle'] = len(self._handles)

    def _jpeg_state_create(self, handle, state):
        assert handle in self._handles
        ctypes.c_void_p.from_address(state).value = made = self._standin.handle()
        self._states[made] = _State(handle)
        self._standin.live['nvJPEG state'] = len(self._states)

    def _jpeg_state_destroy(self, state):
        self._states.pop(state).require_past()
        self._standin.live['nvJPEG state'] = len(self._states)

    def _decode_batched_initialize(self, handle, state, batch, threads, output):
        assert (batch, threads) == (1, 1)
        self._state_of(handle, state).output = output

    def _decode(self, handle, state, data, length, output, image, stream):
        known = self._state_of(handle, state)
        return self._put(ctypes.string_at(data, length), output, image, stream, known)

    def _decode_batched(self, handle, state, data, lengths, image, stream):
        known = self._state_of(handle, state)
        assert known.output is not None, 'the batch was not initialized'
        data = ctypes.c_void_p.from_address(data).value
        length = ctypes.c_size_t.from_address(lengths).value
        is_engine = self._handles[handle] == nvjpeg.HARDWARE
        file = ctypes.string_at(data, length)
        return self._put(file, known.output, image, stream, known, at_once=is_engine)

    def _state_of(self, handle, state):
        known = self._states[state]
        assert handle in self._handles
        assert known.handle == handle
        known.require_past()
        return known

    def _put(self, file, output, image, stream, state, *, at_once=False):
        stream = self._standin.streams[stream]
        if self.status:
            return self.status
        pixels = self._pixels(file, output)
        if pixels is None:
            return BAD_JPEG
        image = nvjpeg._Image.from_address(image)
        row = pixels[0].size
        assert image.pitch[0] >= row, 'rows overlap'
        shape = len(pixels), image.pitch[0]
        memory, _ = self._standin.find(image.channel[0], shape[0] * shape[1])
        target = self._standin.view(image.channel[0], shape, np.uint8)

        def write():
            target[:, :row] = pixels.reshape(len(pixels), row)

        if at_once:
            assert not memory.pending, 'it was written while work on it was under way'
            write()
        self._standin.enqueue(stream, 'decode', lambda: at_once or write(), memory)
        state.position = stream, stream.submitted
        self.decoded.append(file)
        return 0

    def _pixels(self, file, output):
        assert output in (_GRAY, _BGR)
        if self._recognizes_damage:
            try:
                pixels = decode_compressed(file)
            except ImageError:
                return None
        else:
            pixels = cv2.imdecode(np.frombuffer(file, np.uint8), cv2.IMREAD_COLOR)
        pixels = np.clip(pixels.astype(int) + self._levels, 0, 255).astype(np.uint8)
        return pixels[..., 0] if output == _GRAY else pixels


class _State:
    def __init__(self, handle):
        self.handle = handle
        self.output: int | None = None
        self.position = None

    def require_past(self):
        if self.position is not None:
            stream, position = self.position
            assert stream.done >= position, 'a state was used while its picture was under way'
