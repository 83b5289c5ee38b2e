"""JPEGs on a GPU, where nvJPEG is there and was seen to decode as the CPU does."""

from __future__ import annotations

import logging
import threading
import time
from collections import Counter
from itertools import chain
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np

from jetson_perception.cuda.buffers import DeviceBuffer, PinnedBuffer
from jetson_perception.cuda.nvjpeg import BACKENDS, Nvjpeg, NvjpegError, libraries
from jetson_perception.cuda.release import Resources
from jetson_perception.errors import CudaError, ImageError
from jetson_perception.images.encodings import decode_compressed
from jetson_perception.images.plain_jpeg import plain_jpeg
from jetson_perception.printable import counted

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from jetson_perception.cuda.device import CudaDevice, Stream
    from jetson_perception.images.plain_jpeg import PlainJpeg

log = logging.getLogger(__name__)

#: How far a pixel may be from the CPU's. In a smooth picture, as every library has its own way to
#: spread colors that are stored for every second pixel alone.
_MOST_LEVELS = 8
_TRIAL_WH = 320, 192
_GAP_BYTES = 64
_GAPS = 8
#: After so many images of an input in a row that it refused, the input does without it.
_MOST_REFUSED = 30
_REST_S = 30.0
#: What was found out in this process, by the device's index and what is wanted of it.
_TRIED: dict[tuple[int, str], tuple[Any, int] | str] = {}


class JpegDecoder:
    """Decodes JPEGs into GPU memory; opened with the first one. Any thread may call it.

    Parameters
    ----------
    device : CudaDevice
        Its context must be current in the calling thread.
    wanted : str
        One of `JPEG_DECODERS`. What nvJPEG recognizes is tried as it is opened.
    """

    def __init__(self, device: CudaDevice, wanted: str = 'auto') -> None:
        self._device = device
        self._wanted = wanted
        self._lock = threading.Lock()
        self._nvjpeg: Nvjpeg | None = None
        self._is_open = wanted != 'cpu'
        self._refused: Counter[int] = Counter()
        self._rests_until_s: dict[int, float] = {}

    def takes(self, input_index: int) -> bool:
        """Whether JPEGs of an input may be decoded here, as far as is known."""
        return self._is_open and time.monotonic() >= self._rests_until_s.get(input_index, 0.0)

    def decode(self, jpeg: PlainJpeg, address: int, stream: Stream, input_index: int = 0) -> bool:
        """Enqueue the decoding of a JPEG; False where it has to be decoded elsewhere.

        Parameters
        ----------
        jpeg, address, stream
            As of `Nvjpeg.decode`.
        input_index : int
            Whose it is: what one input sends says nothing of the others.

        Raises
        ------
        CudaError
            When the GPU failed.
        """
        with self._lock:
            try:
                if self._nvjpeg is None and self._is_open:
                    self._open()
                if self._nvjpeg is None:
                    return False
                self._nvjpeg.decode(jpeg, address, stream)
            except NvjpegError as error:
                self._tell(error, input_index)
                return False
            self._refused[input_index] = 0
            return True

    def close(self) -> None:
        """Release it after its work; may be called twice."""
        with self._lock:
            self._close()

    def _close(self) -> None:
        nvjpeg, self._nvjpeg, self._is_open = self._nvjpeg, None, False
        if nvjpeg is not None:
            nvjpeg.close()

    def _tell(self, error: NvjpegError, input_index: int) -> None:
        self._refused[input_index] += 1
        refused = self._refused[input_index]
        if refused == 1:
            log.debug('%s; the image is decoded on the CPU', error)
        elif refused == _MOST_REFUSED:
            self._refused[input_index] = 0
            said = log.debug if input_index in self._rests_until_s else log.warning
            self._rests_until_s[input_index] = time.monotonic() + _REST_S
            said(
                'JPEGs of input %d are decoded on the CPU for %.0f s: %s, for %s in a row',
                input_index,
                _REST_S,
                error,
                counted(refused, 'image'),
            )

    def _open(self) -> None:
        """Open a way of decoding that can be relied upon; say which, or why none."""
        key = self._device.index, self._wanted
        if key in _TRIED:
            found = _TRIED[key]
        else:
            found, is_sure = self._tried_all()
            if is_sure:
                _TRIED[key] = found
        if not isinstance(found, str):
            if self._nvjpeg is None:
                self._nvjpeg = Nvjpeg(self._device, *found)
            log.info('JPEGs are decoded on the GPU: %s', self._nvjpeg.description)
            return
        self._is_open = False
        level = logging.WARNING if self._wanted == 'gpu' else logging.INFO
        log.log(level, 'JPEGs are decoded on the CPU: %s', found)

    def _tried_all(self) -> tuple[tuple[Any, int] | str, bool]:
        """A library and a way of decoding, which is left open, or why there is none.

        And whether that stays so: what failed for lack of memory, say, may work another time.
        """
        reasons, is_sure = [], True
        for library in libraries():
            for backend in BACKENDS:
                try:
                    self._nvjpeg, problem = self._tried(Nvjpeg(self._device, library, backend))
                except CudaError as error:
                    if error.fatal:
                        raise
                    problem, is_sure = f'{BACKENDS[backend]}: {error}', False
                if self._nvjpeg is not None:
                    return (library, backend), True
                reasons.append(problem)
        return '; '.join(reasons) or 'nvJPEG (libnvjpeg, a part of CUDA) is not there', is_sure

    def _tried(self, nvjpeg: Nvjpeg) -> tuple[Nvjpeg | None, str]:
        """The same, if it can be relied upon; else None, and why, and it is closed."""
        made, temporary = Resources(), Resources()
        made.add(nvjpeg)
        with made.closed_on_error(), temporary.closed_on_error():
            trial = temporary.add(_Trial(self._device, nvjpeg))
            problem = trial.pixel_problem()
            if not problem and self._wanted == 'auto':
                problem = trial.damage_problem()
            temporary.close()
        if not problem:
            return nvjpeg, ''
        problem = f'{nvjpeg.description}: {problem}'
        made.close()
        return None, problem


class _Trial:
    """Decodes pictures that are made here both ways."""

    def __init__(self, device: CudaDevice, nvjpeg: Nvjpeg) -> None:
        self._nvjpeg = nvjpeg
        width, height = _TRIAL_WH
        self._resources = Resources()
        with self._resources.closed_on_error():
            self._stream = self._resources.add(device.new_stream())
            shape = (height, width, 3)
            self._pixels = self._resources.add(DeviceBuffer(device, shape, np.uint8))
            self._host = self._resources.add(PinnedBuffer(device, shape, np.uint8))

    def pixel_problem(self) -> str:
        """What is wrong with the pixels of a whole picture; empty where nothing is."""
        data = _encoded(_smooth())
        expected = decode_compressed(data)
        found = self._decode(data)
        most = int(np.abs(found.astype(int) - expected).max())
        if most > _MOST_LEVELS:
            return (
                f'its pixels differ from those of the CPU by up to {counted(most, "level")}; '
                f'expected at most {_MOST_LEVELS}'
            )
        return ''

    def damage_problem(self) -> str:
        """Whether damage passes that the CPU's decoder recognizes; empty where none does."""
        passed = damaged = 0
        color = _textured()
        whole = _encoded(color), _encoded(np.ascontiguousarray(color[..., 0]))
        for data in chain.from_iterable(map(_damaged, whole)):
            try:
                decode_compressed(data)
            except ImageError:
                damaged += 1
                passed += self._takes(data)
        if passed:
            return (
                f'it decodes {passed} of {counted(damaged, "damaged JPEG")} that the CPU '
                'recognizes (jpeg_decoder: gpu uses it all the same)'
            )
        return ''

    def _takes(self, data: bytes) -> bool:
        try:
            self._decode(data)
        except NvjpegError:
            return False
        return True

    def _decode(self, data: bytes) -> NDArray[np.uint8]:
        jpeg = plain_jpeg(data, _TRIAL_WH[0] * _TRIAL_WH[1])
        if jpeg is None:
            raise NvjpegError('its markers tell of damage')
        self._nvjpeg.decode(jpeg, self._pixels.address, self._stream)
        self._pixels.copy_to_host(self._host, self._stream)
        self._stream.synchronize()
        pixels: NDArray[np.uint8] = self._host.array.copy()
        return pixels

    def close(self) -> None:
        """Release what it took."""
        self._resources.close()


def _smooth() -> NDArray[np.uint8]:
    width, height = _TRIAL_WH
    x, y = np.meshgrid(np.linspace(0, 1, width), np.linspace(0, 1, height))
    return np.stack([30 + 180 * x, 30 + 180 * y, 220 - 90 * (x + y)], axis=2).astype(np.uint8)


def _textured() -> NDArray[np.uint8]:
    width, height = _TRIAL_WH
    noise = np.random.default_rng(1).integers(0, 256, (height, width, 3), np.uint8)
    blurred: NDArray[np.uint8] = cv2.GaussianBlur(noise, (5, 5), 0)
    return blurred


def _encoded(bgr: NDArray[np.uint8]) -> bytes:
    encoded: bytes = cv2.imencode('.jpg', bgr, [cv2.IMWRITE_JPEG_QUALITY, 90])[1].tobytes()
    return encoded


def _damaged(data: bytes) -> Iterator[bytes]:
    """A JPEG with gaps, as where a packet of a camera is lost, or with one that came twice."""
    begin = data.rindex(b'\xff\xda') + 20
    for number in range(_GAPS):
        at = begin + (len(data) - begin) * (number + 1) // (_GAPS + 1)
        yield data[:at] + data[at + _GAP_BYTES :]
        yield data[:at] + data[at - _GAP_BYTES :]
