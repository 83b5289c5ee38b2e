"""JPEG by libjpeg-turbo itself, where the library simplejpeg is installed.

It is as fast as OpenCV's and gives the same pixels, but it tells of damage: OpenCV decodes on, and
libjpeg's warning goes to stderr.
"""

from __future__ import annotations

import re
from functools import cache
from typing import TYPE_CHECKING, Any, Protocol

import cv2
import numpy as np

from jetson_perception.errors import ImageError
from jetson_perception.images.jpeg_damage import MOST_SURPLUS_BYTES, check_structure
from jetson_perception.printable import printable

if TYPE_CHECKING:
    from numpy.typing import NDArray

_SURPLUS = re.compile(r'(\d+) extraneous bytes before marker')
#: Of headers that cameras get wrong while their pictures are right.
_HARMLESS = re.compile(
    r'unknown JFIF revision|Unknown Adobe color transform|bad ICC marker'
    r'|Invalid SOS parameters for sequential JPEG',
    re.IGNORECASE,
)
_CORRUPT = re.compile(r'corrupt jpeg data: ', re.IGNORECASE)


class Decode(Protocol):
    """Gives the BGR pixels of a JPEG of one or three components and a known size."""

    def __call__(self, data: bytes, size_wh: tuple[int, int]) -> NDArray[np.uint8] | None:
        """Raise ImageError for damaged data; None where its header alone is to blame."""
        ...


@cache
def turbo_decode() -> Decode | None:
    """What decodes by simplejpeg; None where that is not installed, or does not do as it should.

    An old one, or one that was built for another NumPy, fails in its own ways, so it is tried.
    """
    try:
        import simplejpeg

        decode = _TurboDecode(simplejpeg.decode_jpeg)
        expected = np.full((16, 16, 3), 90, np.uint8)
        data = cv2.imencode('.jpg', expected)[1].tobytes()
        surplus = data[:-2] + b'\x12\x34' + data[-2:]
        found = [decode(each, (16, 16)) for each in (data, surplus)]
        if all(each is not None and (each == expected).all() for each in found):
            return decode
    except Exception:  # noqa: BLE001 - whatever a foreign build does, OpenCV is there
        return None
    return None


class _TurboDecode:
    """Decodes by simplejpeg.

    Parameters
    ----------
    decode_jpeg : callable
        simplejpeg's.
    """

    def __init__(self, decode_jpeg: Any) -> None:
        self._decode_jpeg = decode_jpeg

    def __call__(self, data: bytes, size_wh: tuple[int, int]) -> NDArray[np.uint8] | None:
        """As `Decode` says."""
        width, height = size_wh
        bgr: NDArray[np.uint8] = np.empty((height, width, 3), np.uint8)
        try:
            decoded = self._decode_jpeg(data, 'BGR', buffer=bgr, strict=True)
        except ValueError as err:
            # libjpeg goes on after a warning, the first of which is told: the pixels are there.
            said = str(err)
            surplus = _SURPLUS.search(said)
            if surplus is not None and int(surplus[1]) <= MOST_SURPLUS_BYTES:
                check_structure(data)
                return bgr
            if _HARMLESS.search(said) is not None:
                return None  # it hides whatever comes behind it
            raise ImageError(f'JPEG that is damaged: {_reason(said)}') from err
        if decoded.shape != bgr.shape:
            raise ImageError(
                f'JPEG whose header says {width}×{height}, but whose content is '
                f'{decoded.shape[1]}×{decoded.shape[0]}; it is damaged'
            )
        return bgr


def _reason(said: str) -> str:
    return printable(_CORRUPT.sub('', said), 200)
