#!/usr/bin/env python3
"""Time JPEG decoding on photographs, and count how much damage is recognized, in one run.

OpenCV decodes without telling of damage; what decodes messages tells, with simplejpeg and without.
All are timed in turn, so that other load on the machine affects all. The photographs are those of
scikit-image, side by side without scaling.

    python3 tools/benchmark_jpeg.py
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
from PIL import __version__ as pillow_version

from jetson_perception.errors import ImageError
from jetson_perception.images.encodings import decode_compressed
from jetson_perception.images.turbo_jpeg import turbo_decode

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

SIZES_WH = (1280, 720), (1920, 1080)
SAMPLINGS = {
    '4:2:0, 80': (80, cv2.IMWRITE_JPEG_SAMPLING_FACTOR_420),
    '4:2:2, 90': (90, cv2.IMWRITE_JPEG_SAMPLING_FACTOR_422),
}


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('--repeats', type=int, default=100, help='runs of each (100)')
    parser.add_argument('--damaged', type=int, default=200, help='damaged ones of a kind (200)')
    arguments = parser.parse_args()
    if turbo_decode() is None:
        sys.exit('simplejpeg is not installed: pip install simplejpeg')
    print(
        f'OpenCV {cv2.__version__}, Pillow {pillow_version}, simplejpeg {version_of_simplejpeg()}'
        f'; median (lowest) of {arguments.repeats} in ms, and the ratio to OpenCV'
    )
    ways = {'OpenCV': opencv, 'with simplejpeg': with_simplejpeg, 'without it': without_it}
    print(f'{"":24}' + ''.join(f'{name:>24}' for name in ways))
    for width, height in SIZES_WH:
        for name, (quality, sampling) in SAMPLINGS.items():
            data = encode(photographs(width, height), quality, sampling)
            report(f'{width}×{height} {name}', data, ways, arguments.repeats)
    print(f'\nrecognized as damaged, of {arguments.damaged} of 1280×720')
    quality, sampling = SAMPLINGS['4:2:0, 80']
    data = encode(photographs(1280, 720), quality, sampling)
    for name, damage in DAMAGES.items():
        rng = random.Random(1)
        damaged = [damage(rng, data) for _ in range(arguments.damaged)]
        counts = [
            sum(is_refused(way, each) for each in damaged) for way in list(ways.values())[1:]
        ]
        print(f'{name:24}{"":24}' + ''.join(f'{count:>24}' for count in counts))


def version_of_simplejpeg() -> str:
    """Its version."""
    import simplejpeg

    version: str = simplejpeg.__version__
    return version


def photographs(width: int, height: int) -> NDArray[np.uint8]:
    """Photographs side by side, (h, w, 3) in BGR."""
    from skimage import data

    pictures = [data.astronaut(), data.coffee(), data.chelsea(), data.rocket()]
    rows, number = [], 0
    for top in range(0, height, 256):
        row: list[Any] = []
        while sum(each.shape[1] for each in row) < width:
            picture = pictures[number % len(pictures)]
            first = 37 * number % (picture.shape[0] - 255)
            row.append(picture[first : first + min(256, height - top)])
            number += 1
        rows.append(np.concatenate(row, axis=1)[:, :width])
    return np.ascontiguousarray(np.concatenate(rows)[..., ::-1])


def encode(bgr: NDArray[np.uint8], quality: int, sampling: int) -> bytes:
    """A JPEG."""
    options = [cv2.IMWRITE_JPEG_QUALITY, quality, cv2.IMWRITE_JPEG_SAMPLING_FACTOR, sampling]
    encoded: bytes = cv2.imencode('.jpg', bgr, options)[1].tobytes()
    return encoded


def opencv(data: bytes) -> Any:
    """By OpenCV alone."""
    flags = cv2.IMREAD_COLOR | cv2.IMREAD_IGNORE_ORIENTATION
    return cv2.imdecode(np.frombuffer(data, np.uint8), flags)


def with_simplejpeg(data: bytes) -> Any:
    """As a node that has simplejpeg."""
    return decode_compressed(data)


def without_it(data: bytes) -> Any:
    """As a node that has not."""
    found, sys.modules['simplejpeg'] = sys.modules['simplejpeg'], None  # type: ignore[assignment]
    turbo_decode.cache_clear()
    turbo_decode()
    begun = time.perf_counter()
    try:
        decode_compressed(data)
        return time.perf_counter() - begun
    finally:
        sys.modules['simplejpeg'] = found
        turbo_decode.cache_clear()
        turbo_decode()


def report(name: str, data: bytes, ways: dict[str, Callable[[bytes], Any]], repeats: int) -> None:
    """Print a row of times."""
    times: dict[str, list[float]] = {way: [] for way in ways}
    rng = random.Random(1)
    for _ in range(repeats):
        # Who comes after whom matters: caches, and memory that was given back.
        for way, decode in rng.sample(list(ways.items()), len(ways)):
            begun = time.perf_counter()
            result = decode(data)
            elapsed = result if isinstance(result, float) else time.perf_counter() - begun
            times[way].append(1e3 * elapsed)
    plain = statistics.median(times['OpenCV'])
    cells = [
        f'{statistics.median(each):.2f} ({min(each):.2f}) {statistics.median(each) / plain:5.2f}'
        for each in times.values()
    ]
    print(f'{name:24}' + ''.join(f'{cell:>24}' for cell in cells))


def is_refused(decode: Callable[[bytes], Any], data: bytes) -> bool:
    """Whether damage is recognized."""
    try:
        decode(data)
    except ImageError:
        return True
    return False


def somewhere(rng: random.Random, data: bytes) -> int:
    """A place in the compressed data."""
    return rng.randrange(data.rindex(b'\xff\xda') + 20, len(data) - 1200)


def overwritten(rng: random.Random, data: bytes, count: int) -> bytes:
    """The JPEG with so many random bytes in it."""
    at = somewhere(rng, data)
    return data[:at] + rng.randbytes(count) + data[at + count :]


def with_a_gap(rng: random.Random, data: bytes) -> bytes:
    """The JPEG without 512 bytes, as where a USB packet is lost."""
    at = somewhere(rng, data)
    return data[:at] + data[at + 512 :]


DAMAGES: dict[str, Callable[[random.Random, bytes], bytes]] = {
    '4 bytes overwritten': lambda rng, data: overwritten(rng, data, 4),
    '100 bytes overwritten': lambda rng, data: overwritten(rng, data, 100),
    '1000 bytes overwritten': lambda rng, data: overwritten(rng, data, 1000),
    '512 bytes missing': with_a_gap,
    'cut off': lambda rng, data: data[: somewhere(rng, data)],
}


if __name__ == '__main__':
    main()
