"""What users pass as an image: accepted as BGR, or refused with what is accepted."""

import os
from pathlib import Path

import cv2
import numpy as np
import pytest

from jetson_perception.errors import ImageError
from jetson_perception.images.arrays import as_bgr, is_bgr

BGR = np.random.default_rng(0).integers(0, 256, (6, 8, 3), np.uint8)
GRAY = np.ascontiguousarray(BGR[..., 1])
BGRA = np.dstack([BGR, GRAY])
THREE_TIMES_GRAY = np.dstack([GRAY] * 3)


class Matrix(np.ndarray):
    """An array of a class of its own."""


@pytest.mark.parametrize(
    'image',
    [
        pytest.param(BGR, id='bgr'),
        pytest.param(np.tile(BGR, (2, 2, 1))[:6, :8], id='padded_rows'),
        pytest.param(BGR[::2, ::3], id='every_other'),
        pytest.param(BGR[::-1, ::-1], id='turned'),
        pytest.param(BGR[..., ::-1], id='channels_turned'),
        pytest.param(BGR.transpose(1, 0, 2), id='transposed'),
        pytest.param(BGR[:1, :1], id='one_pixel'),
        pytest.param(BGRA[..., :3], id='part_of_bgra'),
        pytest.param(np.asfortranarray(BGR), id='columns_first'),
        pytest.param(BGR.view(Matrix), id='subclass'),
    ],
)
def test_bgr_of_any_strides_is_the_same_memory(image):
    assert is_bgr(image)
    assert as_bgr(image) is image


@pytest.mark.parametrize(
    ('image', 'bgr'),
    [
        pytest.param(GRAY, THREE_TIMES_GRAY, id='gray'),
        pytest.param(GRAY[..., None], THREE_TIMES_GRAY, id='gray_of_one_channel'),
        pytest.param(GRAY[::-2, ::2], THREE_TIMES_GRAY[::-2, ::2], id='gray_turned'),
        pytest.param(BGR[..., 1], THREE_TIMES_GRAY, id='channel_of_bgr'),
        pytest.param(BGR[..., 1:2], THREE_TIMES_GRAY, id='channel_of_bgr_kept'),
        pytest.param(BGRA, BGR, id='bgra'),
        pytest.param(BGRA[:, ::-1], BGR[:, ::-1], id='bgra_mirrored'),
        pytest.param(np.ma.MaskedArray(GRAY, GRAY > 9), THREE_TIMES_GRAY, id='masked'),
    ],
)
def test_gray_and_bgra_are_converted(image, bgr):
    assert not is_bgr(image)
    converted = as_bgr(image)
    assert is_bgr(converted)
    np.testing.assert_array_equal(converted, bgr)


@pytest.mark.parametrize('kind', [str, Path, os.fsencode], ids=['str', 'path', 'bytes_path'])
@pytest.mark.parametrize('name', ['my.png', 'mein Bild ä.png', os.fsdecode(b'caf\xe9.png')])
def test_the_path_of_a_picture(tmp_path, kind, name):
    file = tmp_path / name
    file.write_bytes(cv2.imencode('.png', BGR)[1].tobytes())
    given = kind(file)
    if isinstance(given, bytes):
        given = OfBytes(given)
    np.testing.assert_array_equal(as_bgr(given), BGR)


class OfBytes:
    """A path as an `os.DirEntry` of bytes has it."""

    def __init__(self, path):
        self._path = path

    def __fspath__(self):
        return self._path


def test_a_picture_in_gray(tmp_path):
    file = tmp_path / 'gray.png'
    cv2.imwrite(str(file), GRAY)
    np.testing.assert_array_equal(as_bgr(file), THREE_TIMES_GRAY)


@pytest.mark.parametrize(
    ('name', 'told'),
    [
        pytest.param('', 'is a folder; expected a regular file', id='folder'),
        pytest.param('missing.png', 'missing.png cannot be read: No such file', id='missing'),
        pytest.param('text.png', 'text.png is damaged or not a picture', id='text'),
        pytest.param('empty.png', 'empty.png is empty', id='empty'),
        pytest.param('fifo.png', r'is a pipe \(FIFO\)', id='fifo'),
        pytest.param('n' * 300, 'picture', id='long_name'),
        pytest.param('a\0b', 'picture .*x00', id='zero'),
    ],
)
def test_a_path_that_leads_to_no_picture(tmp_path, name, told):
    (tmp_path / 'text.png').write_text('This is no picture.')
    (tmp_path / 'empty.png').touch()
    os.mkfifo(tmp_path / 'fifo.png')
    with pytest.raises(ImageError, match=told):
        as_bgr(f'{tmp_path}/{name}')


class AsArray:
    """What torch's tensors are to NumPy."""

    def __array__(self, dtype=None, copy=None):
        return BGR


@pytest.mark.parametrize(
    ('image', 'told'),
    [
        pytest.param(None, 'image is None; .*cv2.imread returns None when', id='none'),
        pytest.param([], 'image is a builtins.list; .* once per image', id='empty_list'),
        pytest.param([BGR], 'once per image', id='list'),
        pytest.param(BGR.tolist(), r'numpy\.asarray\(image, numpy\.uint8\)', id='nested_lists'),
        pytest.param(7, 'image is a builtins.int', id='number'),
        pytest.param(b'\xff\xd8\xff', 'decode_compressed', id='bytes'),
        pytest.param(AsArray(), r'AsArray; .*numpy\.asarray\(image\)', id='as_array'),
        pytest.param(np.uint8(7), 'image is a numpy.uint8', id='scalar'),
        pytest.param(
            np.empty((0, 0, 3), np.uint8), r'\(0, 0, 3\), which has no pixels', id='empty'
        ),
        pytest.param(np.empty((4, 0), np.uint8), 'has no pixels', id='no_columns'),
        pytest.param(np.empty(0, np.uint8), r'shape \(0,\)', id='nothing'),
        pytest.param(BGR / 255, 'float64, .*image \\* 255', id='float'),
        pytest.param(BGR.astype(np.float32), 'an array of float32', id='float32'),
        pytest.param(BGR.astype(np.uint16), 'uint16, .*image >> 8', id='uint16'),
        pytest.param(BGR.astype(np.int8), 'int8, ', id='int8'),
        pytest.param(BGR > 9, 'bool, .*astype', id='bool'),
        pytest.param(BGR.astype(object), 'an array of object', id='objects'),
        pytest.param(BGR.astype('U3'), 'an array of <U3', id='texts'),
        pytest.param(BGR.transpose(2, 0, 1), r'image\.transpose\(1, 2, 0\)', id='channels_first'),
        pytest.param(BGR[None], r'give image\[0\]', id='batch_of_one'),
        pytest.param(np.stack([BGR, BGR]), 'one image at a time', id='batch'),
        pytest.param(BGR[..., :2], r'shape \(6, 8, 2\)', id='two_channels'),
        pytest.param(np.dstack([BGR, BGR]), r'shape \(6, 8, 6\)', id='six_channels'),
        pytest.param(BGR.ravel(), r'shape \(144,\)', id='flat'),
    ],
)
def test_anything_but_an_image_is_refused_with_what_is_accepted(image, told):
    assert not is_bgr(image)
    with pytest.raises(ImageError, match=told) as caught:
        as_bgr(image)
    assert '(h, w, 3) in BGR' in str(caught.value)


def test_a_picture_of_pillow():
    pillow = pytest.importorskip('PIL.Image')
    picture = pillow.fromarray(BGR[..., ::-1])
    with pytest.raises(ImageError, match=r"numpy\.asarray\(image\.convert\('RGB'\)\)") as caught:
        as_bgr(picture)
    advice = str(caught.value).rpartition('give ')[2]
    np.testing.assert_array_equal(eval(advice, {'numpy': np, 'image': picture}), BGR)
