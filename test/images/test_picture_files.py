import os
import struct
import zlib

import cv2
import numpy as np
import pytest

from jetson_perception.errors import ImageError, ParameterError
from jetson_perception.images.encodings import decode_compressed
from jetson_perception.images.picture_files import (
    decode_picture,
    read_picture,
    tell_of_deep_pictures,
    write_picture,
)
from jetson_perception.images.picture_header import MAX_IMAGE_PIXELS


def picture(width=24, height=16):
    bgr = np.zeros((height, width, 3), np.uint8)
    bgr[:, : width // 2] = 40, 120, 200
    return bgr


def encoded(suffix, pixels=None):
    return cv2.imencode(suffix, picture() if pixels is None else pixels)[1].tobytes()


def chunk(kind, content):
    return (
        struct.pack('>I', len(content))
        + kind
        + content
        + struct.pack('>I', zlib.crc32(kind + content))
    )


def with_chunks(*chunks):
    """A PNG of `picture` with chunks before its pixels."""
    data = encoded('.png')
    pixels = data.index(b'IDAT') - 4
    return data[:pixels] + b''.join(chunks) + data[pixels:]


def claiming(suffix, width, height):
    """A small file that claims to be larger than the memory."""
    data = bytearray(encoded(suffix))
    if suffix == '.jpg':
        struct.pack_into('>HH', data, data.index(b'\xff\xc0') + 5, height, width)
    elif suffix == '.png':
        struct.pack_into('>II', data, 16, width, height)
        struct.pack_into('>I', data, 29, zlib.crc32(data[12:29]))
    elif suffix == '.bmp':
        struct.pack_into('<ii', data, 18, width, height)
    else:
        data = bytearray(b'P6 %d %d 255\n' % (width, height) + bytes(100))
    return bytes(data)


GIF = b'GIF89a' + struct.pack('<HH', 65535, 16000) + b'\x80\0\0' + bytes(6) + b';'
PFM = b'Pf\n30000 30000\n-1.0\n' + bytes(16)


class TestDecodePicture:
    @pytest.mark.parametrize('suffix', ['.png', '.bmp', '.ppm', '.tiff', '.webp'])
    def test_documented_formats(self, suffix):
        assert (decode_picture(encoded(suffix)) == picture()).all()

    @pytest.mark.parametrize('suffix', ['.jpg', '.png', '.bmp', '.ppm'])
    def test_a_size_that_is_only_claimed_is_refused_before_decoding(self, suffix):
        with pytest.raises(ImageError, match=r'of 65500×65500 pixels; max_image_pixels is 6710'):
            decode_picture(claiming(suffix, 65500, 65500))

    def test_measured_values_are_not_called_damage(self):
        values = np.ones((16, 24, 3), np.float32)
        data = cv2.imencode('.tiff', values)[1].tobytes()
        with pytest.raises(ImageError, match=r'^TIFF with 32 bits .* convert it to JPEG or PNG$'):
            decode_picture(data)
        read = decode_picture(data, flags=cv2.IMREAD_UNCHANGED)
        assert (read == values).all()

    def test_limit(self):
        data = encoded('.jpg')
        assert decode_picture(data, max_image_pixels=24 * 16).shape == (16, 24, 3)
        with pytest.raises(ImageError, match='24×16 pixels; max_image_pixels is 383'):
            decode_picture(data, max_image_pixels=24 * 16 - 1)
        assert MAX_IMAGE_PIXELS == 8192 * 8192

    @pytest.mark.parametrize(
        'chunks',
        [
            pytest.param([chunk(b'zTXt', b'a\0\0' + zlib.compress(bytes(10)))], id='zTXt'),
            pytest.param([chunk(b'iTXt', b'a\0\1\0\0\0' + zlib.compress(bytes(9)))], id='iTXt'),
            pytest.param([chunk(b'iCCP', b'a\0\0' + zlib.compress(bytes(9)))], id='iCCP'),
            pytest.param(
                [chunk(b'acTL', struct.pack('>II', 1, 0)), chunk(b'fcTL', bytes(26))], id='frames'
            ),
            pytest.param([chunk(b'tEXt', b'a\0b'), chunk(b'pHYs', bytes(9))], id='plain'),
        ],
    )
    def test_only_pixels_of_a_png_are_decoded(self, chunks, monkeypatch):
        handed_on = []
        decode = cv2.imdecode

        def watched(data, flags):
            handed_on.append(data.tobytes())
            return decode(data, flags)

        monkeypatch.setattr(cv2, 'imdecode', watched)
        assert (decode_picture(with_chunks(*chunks)) == picture()).all()
        assert handed_on == [encoded('.png')]

    def test_png_with_two_headers(self):
        with pytest.raises(ImageError, match='two headers'):
            decode_picture(with_chunks(encoded('.png')[8:33]))

    @pytest.mark.parametrize('suffix', ['.jpg', '.png', '.webp', '.tiff'])
    def test_damaged_content(self, suffix):
        data = encoded(suffix)
        with pytest.raises(ImageError, match=r'damaged|cut off after \d+ bytes$'):
            decode_picture(data[: 60 if suffix == '.png' else 40])

    def test_a_decoder_that_gives_another_size(self, monkeypatch):
        monkeypatch.setattr(cv2, 'imdecode', lambda data, flags: picture(25, 16))
        with pytest.raises(ImageError, match='header says 24×16, but whose content is 25×16'):
            decode_picture(encoded('.jpg'))


def rotated_jpeg():
    """A JPEG whose EXIF data says that it is to be turned by a quarter."""
    exif = b'Exif\0\0MM\0*\0\0\0\x08\0\1' + struct.pack('>HHIHH', 0x112, 3, 1, 6, 0) + bytes(4)
    data = encoded('.jpg')
    return data[:2] + b'\xff\xe1' + struct.pack('>H', len(exif) + 2) + exif + data[2:]


class TestCompressedMessages:
    @pytest.mark.parametrize(
        ('data', 'match'),
        [
            pytest.param(
                GIF, r'of 20 bytes is GIF, which is not supported; JPEG and PNG', id='gif'
            ),
            pytest.param(PFM, 'is PFM, which is not supported', id='pfm'),
            pytest.param(
                encoded('.bmp'), 'is BMP, which is not supported; JPEG and PNG', id='bmp'
            ),
            pytest.param(encoded('.tiff'), 'is TIFF, which is not supported', id='tiff'),
            pytest.param(encoded('.webp'), 'is WebP, which is not supported', id='webp'),
            pytest.param(
                claiming('.jpg', 65500, 65500), r'JPEG of 65500×65500 pixels; max_im', id='jpeg'
            ),
            pytest.param(claiming('.png', 50000, 50000), 'PNG of 50000×50000', id='png'),
        ],
    )
    def test_refused(self, data, match):
        with pytest.raises(ImageError, match=match):
            decode_compressed(data, 'jpeg')

    def test_foreign_format_is_shown_short_and_printable(self):
        with pytest.raises(ImageError) as caught:
            decode_compressed(b'x', 'jpeg\n\x1b[2J' + 'x' * 1000)
        assert r'jpeg\n\x1b[2Jxx' in str(caught.value)
        assert len(str(caught.value)) < 500

    def test_exif_turns_files_and_no_messages(self, tmp_path):
        path = tmp_path / 'a.jpg'
        path.write_bytes(rotated_jpeg())
        assert read_picture(path).shape == (24, 16, 3)
        assert decode_compressed(rotated_jpeg()).shape == (16, 24, 3)


class TestFiles:
    @pytest.mark.parametrize('name', ['a.png', 'å.png', 'x' * 251 + '.png'])
    def test_written_and_read_back(self, tmp_path, name):
        path = tmp_path / name
        write_picture(path, picture())
        assert list(tmp_path.iterdir()) == [path]
        assert (read_picture(path) == picture()).all()

    @pytest.mark.parametrize(
        ('make', 'match'),
        [
            pytest.param(lambda path: None, 'cannot be read: No such file', id='missing'),
            pytest.param(lambda path: path.mkdir(), 'is a folder; expected a reg', id='folder'),
            pytest.param(os.mkfifo, r'is a pipe \(FIFO\)', id='pipe'),
            pytest.param(lambda path: path.write_bytes(b''), 'a.png is empty', id='empty'),
            pytest.param(lambda path: path.write_bytes(GIF), 'a.png is GIF', id='gif'),
        ],
    )
    def test_no_picture(self, tmp_path, make, match):
        path = tmp_path / 'a.png'
        make(path)
        with pytest.raises(ImageError, match=match):
            read_picture(path)

    def test_a_file_too_large_for_the_limit_is_not_read(self, tmp_path):
        path = tmp_path / 'a.png'
        with path.open('wb') as file:
            file.truncate(1 << 40)
        with pytest.raises(ImageError, match=r'a\.png has more than 528 MiB'):
            read_picture(path)

    @pytest.mark.parametrize(
        ('name', 'match'),
        [
            pytest.param('a.xyz', 'a.xyz: .*find encoder', id='ending'),
            pytest.param('no/a.png', 'no/a.png cannot be written: No such file', id='folder'),
        ],
    )
    def test_cannot_be_written(self, tmp_path, name, match):
        with pytest.raises(ParameterError, match=match):
            write_picture(tmp_path / name, picture())


@pytest.mark.parametrize(
    ('dtype', 'flags', 'warnings'),
    [
        pytest.param(np.uint16, cv2.IMREAD_COLOR, 1, id='cut_to_eight'),
        pytest.param(np.uint16, cv2.IMREAD_UNCHANGED, 0, id='read_whole'),
        pytest.param(np.uint8, cv2.IMREAD_COLOR, 0, id='eight'),
    ],
)
def test_what_is_cut_off_is_told_once(dtype, flags, warnings, caplog):
    tell_of_deep_pictures.cache_clear()
    data = cv2.imencode('.png', np.full((4, 6), 3000, np.uint16).astype(dtype))[1].tobytes()
    for _ in range(2):
        decode_picture(data, flags=flags)
    assert len(caplog.records) == warnings
