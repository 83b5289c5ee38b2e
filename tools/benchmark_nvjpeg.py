#!/usr/bin/env python3
"""Time JPEGs from a message's bytes to pixels on the GPU: decoded by the CPU, and by nvJPEG.

For each way it prints what opening costs, the time until the pixels are there, the CPU time of
the process that this took, how far pixels are apart, and how much damage is recognized.
Photographs are those of scikit-image, as in benchmark_jpeg.py; without it, pictures are made from
noise.

    python3 tools/benchmark_nvjpeg.py
"""

from __future__ import annotations

import argparse
import random
import statistics
import sys
import time
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np
from benchmark_jpeg import DAMAGES, SAMPLINGS, SIZES_WH, encode, photographs

from jetson_perception.cuda import (
    CudaDevice,
    CudaError,
    DeviceBuffer,
    PinnedBuffer,
    Resources,
    cuda_problem,
)
from jetson_perception.cuda.nvjpeg import BACKENDS, Nvjpeg, NvjpegError, libraries
from jetson_perception.errors import ImageError
from jetson_perception.images.encodings import decode_compressed
from jetson_perception.images.plain_jpeg import plain_jpeg
from jetson_perception.images.turbo_jpeg import turbo_decode

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

MOST_PIXELS = 1920 * 1080
DAMAGED_WH = 1280, 720


class Way:
    """A way from a JPEG's bytes to pixels on the GPU."""

    def __init__(self, device: CudaDevice) -> None:
        self._resources = Resources()
        with self._resources.closed_on_error():
            self._stream = self._resources.add(device.new_stream())
            self._done = self._resources.add(device.new_event())
            shape = (3 * MOST_PIXELS,)
            self._host = self._resources.add(PinnedBuffer(device, shape, np.uint8))
            self._pixels = self._resources.add(DeviceBuffer(device, shape, np.uint8))

    def run(self, data: bytes) -> None:
        """Have the pixels of a JPEG on the GPU; raises ImageError or NvjpegError for damage."""
        self._enqueue(data)
        self._done.record(self._stream)
        self._done.synchronize()

    def pixels(self, shape: tuple[int, ...]) -> NDArray[np.uint8]:
        """Those of the last run."""
        count = int(np.prod(shape))
        self._pixels.copy_to_host(self._host, self._stream, count)
        self._stream.synchronize()
        copy: NDArray[np.uint8] = self._host.bytes[:count].reshape(shape).copy()
        return copy

    def _enqueue(self, data: bytes) -> None:
        """As a frame of a lane that decodes on the CPU."""
        bgr = decode_compressed(data)
        np.copyto(self._host.bytes[: bgr.nbytes], bgr.ravel())
        self._pixels.copy_from_host(self._host, self._stream, bgr.nbytes)

    def close(self) -> None:
        """Release it."""
        self._resources.close()


class NvjpegWay(Way):
    """By nvJPEG, as a frame of a lane for which it decodes."""

    def __init__(self, device: CudaDevice, library: Any, backend: int) -> None:
        super().__init__(device)
        with self._resources.closed_on_error():
            self._nvjpeg = self._resources.add(Nvjpeg(device, library, backend))

    @property
    def description(self) -> str:
        """Version and way of decoding."""
        return self._nvjpeg.description

    def _enqueue(self, data: bytes) -> None:
        jpeg = plain_jpeg(data, MOST_PIXELS)
        if jpeg is None:
            raise ImageError('its markers tell of damage')
        self._nvjpeg.decode(jpeg, self._pixels.address, self._stream)


def main(arguments: Sequence[str] | None = None) -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('--repeats', type=int, default=100, help='runs of each (100)')
    parser.add_argument('--damaged', type=int, default=200, help='damaged ones of a kind (200)')
    options = parser.parse_args(arguments)
    problem = cuda_problem()
    if problem:
        sys.exit(problem)
    device = CudaDevice.get(0)
    opened = Resources()
    opened.add(device)
    try:
        with device.pushed():
            ways = open_ways(device, opened)
            report_times(ways, options.repeats)
            report_damage(ways, options.damaged)
            opened.close()
    except BaseException:
        with device.pushed():
            opened.close()
        raise


def open_ways(device: CudaDevice, opened: Resources) -> dict[str, Way]:
    """All ways that there are on this machine; says what each took to open."""
    library = next(libraries(), None)
    if library is None:
        sys.exit('nvJPEG (libnvjpeg, a part of CUDA) is not there')
    ways = {'CPU': opened.add(Way(device))}
    small = encode(picture(640, 480), *next(iter(SAMPLINGS.values())))
    print(device.name + '; the CPU decodes with simplejpeg' * (turbo_decode() is not None))
    for backend, name in BACKENDS.items():
        free, begun = device.memory_info()[0], time.perf_counter()
        try:
            way = opened.add(NvjpegWay(device, library, backend))
            way.run(small)
        except CudaError as err:
            print(f'{name}: {err}')
            continue
        ms = 1e3 * (time.perf_counter() - begun)
        taken = (free - device.memory_info()[0]) / 2**20
        print(f'{way.description}: {ms:.0f} ms to the first picture, {taken:.0f} MiB of the GPU')
        ways[name] = way
    return ways


def picture(width: int, height: int) -> NDArray[np.uint8]:
    """Photographs, (h, w, 3) in BGR; something like them where scikit-image is missing."""
    try:
        return photographs(width, height)
    except ImportError:
        rng = np.random.default_rng(1)
        coarse = cv2.resize(rng.integers(0, 256, (12, 16, 3), np.uint8), (width, height))
        noise = rng.integers(0, 256, (height, width, 3), np.uint8)
        fine = cv2.GaussianBlur(noise, (9, 9), 0)
        mixed: NDArray[np.uint8] = cv2.addWeighted(coarse, 0.7, fine, 0.5, -30)
        return mixed


def report_times(ways: dict[str, Way], repeats: int) -> None:
    """Print how long pictures take each way."""
    print(f'\nms until the pixels are there (CPU ms of the process); medians of {repeats}')
    print(f'{"":24}' + ''.join(f'{name:>26}' for name in ways))
    for width, height in SIZES_WH:
        for name, (quality, sampling) in SAMPLINGS.items():
            data = encode(picture(width, height), quality, sampling)
            cells = [times_of(way, data, repeats) for way in ways.values()]
            print(f'{f"{width}×{height} {name}":24}' + ''.join(f'{cell:>26}' for cell in cells))
            apart = [distance(way, data) for way in ways.values()]
            print(f'{"  levels apart, mean":24}' + ''.join(f'{each:>26}' for each in apart))


def times_of(way: Way, data: bytes, repeats: int) -> str:
    """A cell of the table."""
    for _ in range(3):
        way.run(data)
    wall, cpu = [], []
    for _ in range(repeats):
        begun, begun_cpu = time.perf_counter(), time.process_time()
        way.run(data)
        cpu.append(1e3 * (time.process_time() - begun_cpu))
        wall.append(1e3 * (time.perf_counter() - begun))
    return f'{statistics.median(wall):.2f} ({statistics.median(cpu):.2f})'


def distance(way: Way, data: bytes) -> str:
    """How far its pixels are from the CPU's, and the most that any is."""
    expected = decode_compressed(data)
    way.run(data)
    apart = np.abs(way.pixels(expected.shape).astype(np.int16) - expected)
    return f'{apart.mean():.2f} (most {apart.max()})'


def report_damage(ways: dict[str, Way], count: int) -> None:
    """Print how much damage each way recognizes."""
    width, height = DAMAGED_WH
    print(f'\nrecognized as damaged, of {count} of {width}×{height}')
    data = encode(picture(width, height), *SAMPLINGS['4:2:0, 80'])
    for name, damage in DAMAGES.items():
        rng = random.Random(1)
        files = [damage(rng, data) for _ in range(count)]
        cells = [sum(is_refused(way, each) for each in files) for way in ways.values()]
        print(f'{name:24}' + ''.join(f'{cell:>26}' for cell in cells))


def is_refused(way: Way, data: bytes) -> bool:
    """Whether a way says that a JPEG cannot be used."""
    try:
        way.run(data)
    except (ImageError, NvjpegError):
        return True
    return False


if __name__ == '__main__':
    main()
