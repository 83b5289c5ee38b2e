import cv2
import numpy as np
import pytest

from jetson_perception.files.text_heads import HEAD_BYTES, is_text

NOISE = np.random.default_rng(0).integers(0, 255, (48, 64, 3), np.uint8)


@pytest.mark.parametrize(
    'head',
    [
        pytest.param(b'# Notes\n\nA *list*:\r\n\t- one\n', id='markdown'),
        pytest.param(b'1\n00:00:01,000 --> 00:00:02,000\nHello\n', id='subtitles'),
        pytest.param('Größe, 3 €\n'.encode(), id='utf8'),
        pytest.param(('a' + '€' * HEAD_BYTES).encode()[:HEAD_BYTES], id='cut_in_a_character'),
        pytest.param(b'\xef\xbb\xbfa,b\n1,2\n', id='utf8_with_its_mark'),
        pytest.param('Größe\r\n'.encode('utf-16'), id='utf16'),
        pytest.param('Größe des Bildes\n'.encode('latin-1'), id='latin1'),
        pytest.param(b'\x1b[31mred\x1b[0m\n', id='colors_of_a_terminal'),
        pytest.param(b'text ' * HEAD_BYTES + bytes(9), id='what_follows_is_not_looked_at'),
    ],
)
def test_texts(head):
    assert is_text(head)


@pytest.mark.parametrize(
    'head',
    [
        pytest.param(b'', id='nothing'),
        pytest.param(b'text\0', id='a_zero'),
        pytest.param(b'P6 64 48 255\n' + NOISE.tobytes(), id='a_picture_that_begins_with_text'),
        pytest.param('Größe'.encode('utf-16-le'), id='utf16_without_its_mark'),
        pytest.param(bytes(range(0xA0, 0x100)), id='no_ascii'),
        *(
            pytest.param(cv2.imencode(ending, NOISE)[1].tobytes(), id=ending[1:])
            for ending in ('.png', '.jpg', '.bmp', '.webp', '.tiff')
        ),
    ],
)
def test_others(head):
    assert not is_text(head)
