"""What a picture file's header says, read without decoding anything.

A file of a few hundred bytes can claim a picture that takes gigabytes to decode. So the header is
read and checked against a limit before anything is decoded.
"""

from __future__ import annotations

import itertools
import re
import struct
from dataclasses import dataclass
from typing import TYPE_CHECKING

from jetson_perception.errors import ImageError
from jetson_perception.images.jpeg_segments import FRAMES, segments

if TYPE_CHECKING:
    from collections.abc import Callable

PNG_SIGNATURE = b'\x89PNG\r\n\x1a\n'

FORMATS = ('JPEG', 'PNG', 'BMP', 'PNM', 'TIFF', 'WebP')
"""Formats whose headers are read; PNM is .pgm and .ppm."""

MAX_IMAGE_PIXELS = 8192 * 8192
"""Pixels of the largest image accepted by default, which covers what cameras send.

Decoding one takes up to 750 MB and some seconds.
"""

MOST_IMAGE_PIXELS = 1 << 30
"""The most pixels that OpenCV decodes, whatever the caller allows."""

MAX_BITS = 32
"""The most bits per channel."""

# Recognized by their first bytes, so that an error can name the format.
_OTHER_FORMATS = (
    (0, b'GIF8', 'GIF'),
    (0, b'PF', 'PFM'),
    (0, b'Pf', 'PFM'),
    (0, b'P7', 'PAM'),
    (0, b'\x76\x2f\x31\x01', 'OpenEXR'),
    (0, b'#?R', 'Radiance HDR'),
    (0, b'\x59\xa6\x6a\x95', 'Sun raster'),
    (0, b'\0\0\0\x0cjP', 'JPEG 2000'),
    (0, b'\xff\x4f\xff\x51', 'JPEG 2000'),
    (0, b'\0\0\0\x0cJXL', 'JPEG XL'),
    (0, b'\xff\x0a', 'JPEG XL'),
)

#: What begins as MP4 does, by the brands that it names: of these the first decides.
_BRANDS = (
    ((b'avif', b'avis'), 'AVIF'),
    ((b'heic', b'heix', b'heim', b'heis', b'hevc', b'hevx'), 'HEIC'),
    ((b'mif1', b'msf1'), 'HEIF'),
)
_MOST_BRANDS_BYTES = 256

CONVERT = 'convert it to JPEG or PNG'
"""What to do about a picture that cannot be read here."""

# A progressive JPEG has some ten scans, and as many in its EXIF thumbnail. Each covers the whole
# picture but may take only a few bytes.
_MOST_JPEG_SCANS = 64
_JPEG_SCANS = re.compile(rb'\xff\xda')  # five times as fast as bytes.count

_PNG_CHANNELS = {0: 1, 2: 3, 3: 3, 4: 2, 6: 4}  # by color type; a palette holds colors

_PNM = re.compile(rb'P([1-6])\s((?:\s|#[^\r\n]*[\r\n])*)(\d{1,9})(?=[\s#])')
_PNM_NUMBER = re.compile(rb'(?:\s|#[^\r\n]*[\r\n])*(\d{1,9})(?!\d)')
_PNM_HEADER_BYTES = 4096

_TIFF_WIDTH, _TIFF_HEIGHT, _TIFF_BITS, _TIFF_CHANNELS = 256, 257, 258, 277
_TIFF_ROWS_A_STRIP, _TIFF_TILE_WIDTH, _TIFF_TILE_HEIGHT = 278, 322, 323
_TIFF_TAGS = frozenset(
    {
        *(_TIFF_WIDTH, _TIFF_HEIGHT, _TIFF_BITS, _TIFF_CHANNELS),
        *(_TIFF_ROWS_A_STRIP, _TIFF_TILE_WIDTH, _TIFF_TILE_HEIGHT),
    }
)
_TIFF_NUMBERS = {3: 'H', 4: 'I', 16: 'Q'}  # by field type
_TIFF_ANY_ROWS = 0xFFFFFFFF  # the whole picture in one strip
_MOST_TIFF_ENTRIES = 1024


@dataclass(frozen=True, slots=True)
class PictureHeader:
    """What a picture file claims to be.

    Attributes
    ----------
    format : str
        One of `FORMATS`.
    width, height : int
        Pixels, as the file has them: before any EXIF rotation.
    channels : int
        1 to 4; 3 for a file with a palette.
    bits : int
        Bits per channel.
    buffer_pixels : int
        Pixels that a decoder holds at once. A TIFF's tile may have more than the picture; 0 where
        this does not apply.
    """

    format: str
    width: int
    height: int
    channels: int
    bits: int
    buffer_pixels: int = 0

    @property
    def pixels(self) -> int:
        """Pixels that decoding allocates memory for."""
        return max(self.width * self.height, self.buffer_pixels)


def read_picture_header(data: bytes) -> PictureHeader:
    """The format and size that a picture file claims.

    Raises
    ------
    ImageError
        When the format is not in `FORMATS` (the error names it if it is known), or the header is
        cut off, contradicts itself, or has no pixels.
    """
    read = _reader(data)
    try:
        header = read(data)
    except (IndexError, struct.error) as err:
        raise ImageError(
            f'{_READERS[read]} whose header is cut off after {len(data)} bytes'
        ) from err
    if not (header.width and header.height):
        raise ImageError(f'{header.format} of {header.width}×{header.height}: no pixels')
    if not 1 <= header.channels <= 4 or not 1 <= header.bits <= MAX_BITS:
        raise ImageError(
            f'{header.format} of {header.channels} channels with {header.bits} bits each; '
            'expected 1 to 4 with at most '
            f'{MAX_BITS} bits'
        )
    return header


def picture_format(data: bytes) -> str:
    """Name of the format that a file's first bytes show; empty if the format is unknown."""
    try:
        return _READERS[_reader(data)]
    except ImageError:
        return _other_format(data)


def _reader(data: bytes) -> Callable[[bytes], PictureHeader]:
    if data.startswith(b'\xff\xd8\xff'):
        return _read_jpeg
    if data.startswith(PNG_SIGNATURE):
        return _read_png
    if data.startswith(b'BM'):
        return _read_bmp
    if data[:1] == b'P' and data[1:2] in b'123456' and data[2:3].isspace():
        return _read_pnm
    if data[:4] in (b'II*\0', b'MM\0*', b'II+\0', b'MM\0+'):
        return _read_tiff
    if data[:4] == b'RIFF' and data[8:12] == b'WEBP':
        return _read_webp
    name = modern_picture(data)
    if name:
        raise ImageError(f'{name}, which cannot be read here; {CONVERT}')
    name = _other_format(data)
    raise ImageError(
        f'{name}, which is not supported'
        if name
        else f'damaged or not a picture: it begins with {data[:8].hex(" ")}'
    )


def modern_picture(head: bytes) -> str:
    """'HEIC', 'HEIF' or 'AVIF' where a file begins as such a picture, else ''.

    Phones save HEIC, also under names that end with .jpg.
    """
    if head[4:8] != b'ftyp':
        return ''
    length = min(int.from_bytes(head[:4], 'big'), _MOST_BRANDS_BYTES)
    major, others = head[8:12], head[16:length]
    brands = {major, *(others[at : at + 4] for at in range(0, len(others), 4))}
    pictures = {brand for known, _ in _BRANDS for brand in known}
    if major not in pictures:  # videos may name them as well
        return ''
    return next(name for known, name in _BRANDS if brands.intersection(known))


def _other_format(data: bytes) -> str:
    if data[4:8] == b'ftyp':
        return modern_picture(data) or 'MP4 or MOV'
    for offset, signature, name in _OTHER_FORMATS:
        if data[offset : offset + len(signature)] == signature:
            return name
    return ''


def _read_jpeg(data: bytes) -> PictureHeader:
    """Walk the segments to the first frame header; those of thumbnails lie within segments."""
    for segment in segments(data):
        if segment.marker in FRAMES:
            bits, height, width, channels = struct.unpack_from('>BHHB', data, segment.begin)
            _check_scans(data)
            return PictureHeader('JPEG', width, height, channels, bits)
    raise ImageError('JPEG without a frame header; it is damaged')


def _check_scans(data: bytes) -> None:
    # Compressed data escapes 0xFF, so this finds only scans, a few of them in thumbnails.
    scans = itertools.islice(_JPEG_SCANS.finditer(data), _MOST_JPEG_SCANS + 1)
    if sum(1 for _ in scans) > _MOST_JPEG_SCANS:
        raise ImageError(f'JPEG of more than {_MOST_JPEG_SCANS} scans')


def _read_png(data: bytes) -> PictureHeader:
    length, kind = struct.unpack_from('>I4s', data, 8)
    if (length, kind) != (13, b'IHDR'):
        raise ImageError('PNG that does not begin with its header; it is damaged')
    width, height, bits, color_type = struct.unpack_from('>IIBB', data, 16)
    if color_type not in _PNG_CHANNELS:
        raise ImageError(f'PNG of the unknown color type {color_type}; it is damaged')
    return PictureHeader('PNG', width, height, _PNG_CHANNELS[color_type], bits)


def _read_bmp(data: bytes) -> PictureHeader:
    (header_bytes,) = struct.unpack_from('<I', data, 14)
    if header_bytes == 12:
        width, height, _, bits = struct.unpack_from('<HHHH', data, 18)
    elif header_bytes >= 36:
        width, height, _, bits = struct.unpack_from('<iiHH', data, 18)
    else:
        raise ImageError('BMP with a header of unknown length; it is damaged')
    # A negative height means that the first row is the uppermost.
    channels, depth = (4, 8) if bits == 32 else (3, 8)
    return PictureHeader('BMP', abs(width), abs(height), channels, depth)


def _read_pnm(data: bytes) -> PictureHeader:
    head = data[:_PNM_HEADER_BYTES]
    first = _PNM.match(head)
    if first is None:
        raise IndexError
    kind, width = int(first[1]), int(first[3])
    second = _PNM_NUMBER.match(head, first.end())
    if second is None:
        raise IndexError
    bits = 1
    if kind not in (1, 4):
        third = _PNM_NUMBER.match(head, second.end())
        if third is None:
            raise IndexError
        bits = 8 if int(third[1]) < 256 else 16
    return PictureHeader('PNM', width, int(second[1]), 3 if kind in (3, 6) else 1, bits)


def _read_webp(data: bytes) -> PictureHeader:
    kind = data[12:16]
    if kind == b'VP8X':  # the canvas; the picture in it is not larger
        flags = data[20]
        width, height = (int.from_bytes(data[at : at + 3], 'little') + 1 for at in (24, 27))
        if len(data) < 30:
            raise IndexError
        return PictureHeader('WebP', width, height, 4 if flags & 0x10 else 3, 8)
    if kind == b'VP8L':
        (packed,) = struct.unpack_from('<I', data, 21)
        width, height = (packed & 0x3FFF) + 1, (packed >> 14 & 0x3FFF) + 1
        return PictureHeader('WebP', width, height, 4 if packed >> 28 & 1 else 3, 8)
    if kind == b'VP8 ':
        width, height = struct.unpack_from('<HH', data, 26)
        return PictureHeader('WebP', width & 0x3FFF, height & 0x3FFF, 3, 8)
    raise ImageError('WebP without a picture; it is damaged')


def _read_tiff(data: bytes) -> PictureHeader:
    """The first picture of the file, which is the one that is decoded."""
    order = '<' if data[0] == ord('I') else '>'
    is_big = 43 in struct.unpack_from(f'{order}H', data, 2)
    (at,) = struct.unpack_from(f'{order}Q' if is_big else f'{order}I', data, 8 if is_big else 4)
    if at > len(data):  # a larger offset may not even fit into an index
        raise IndexError
    (count,) = struct.unpack_from(f'{order}Q' if is_big else f'{order}H', data, at)
    if count > _MOST_TIFF_ENTRIES:
        raise ImageError(f'TIFF with {count} tags; expected at most {_MOST_TIFF_ENTRIES}')
    entries_at, entry_bytes = at + (8 if is_big else 2), 20 if is_big else 12
    tags: dict[int, int] = {}
    for index in range(count):
        entry = entries_at + index * entry_bytes
        tag, kind = struct.unpack_from(f'{order}HH', data, entry)
        if tag not in _TIFF_TAGS:
            continue
        if tag in tags:  # decoders disagree about which one counts
            raise ImageError(f'TIFF with the tag {tag} twice; it is damaged')
        tags[tag] = _tiff_number(data, order, is_big, entry, kind)
    width, height = tags.get(_TIFF_WIDTH, 0), tags.get(_TIFF_HEIGHT, 0)
    buffer_w, buffer_h = tags.get(_TIFF_TILE_WIDTH, width), tags.get(_TIFF_TILE_HEIGHT, height)
    rows = tags.get(_TIFF_ROWS_A_STRIP, _TIFF_ANY_ROWS)
    if rows != _TIFF_ANY_ROWS:
        buffer_h = max(buffer_h, rows)
    return PictureHeader(
        'TIFF',
        width,
        height,
        tags.get(_TIFF_CHANNELS, 1),
        tags.get(_TIFF_BITS, 1),
        buffer_w * buffer_h,
    )


def _tiff_number(data: bytes, order: str, is_big: bool, entry: int, kind: int) -> int:
    """The first value of an entry; values that do not fit into the entry are elsewhere."""
    code = _TIFF_NUMBERS.get(kind)
    if code is None:
        raise ImageError(f'TIFF with a size of the unknown type {kind}; it is damaged')
    count_code, room = ('Q', 8) if is_big else ('I', 4)
    (count,) = struct.unpack_from(f'{order}{count_code}', data, entry + 4)
    at = entry + 4 + struct.calcsize(f'{order}{count_code}')
    if count * struct.calcsize(f'{order}{code}') > room:
        (at,) = struct.unpack_from(f'{order}{count_code}', data, at)
    value: int = struct.unpack_from(f'{order}{code}', data, at)[0]
    return value


_READERS: dict[Callable[[bytes], PictureHeader], str] = {
    _read_jpeg: 'JPEG',
    _read_png: 'PNG',
    _read_bmp: 'BMP',
    _read_pnm: 'PNM',
    _read_tiff: 'TIFF',
    _read_webp: 'WebP',
}
