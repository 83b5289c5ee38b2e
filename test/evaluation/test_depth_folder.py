"""Files of depth: in millimetres, another unit, or metres; and those that cannot be used."""

import io

import cv2
import numpy as np
import pytest

from jetson_perception.errors import ImageError, ParameterError, SourceError
from jetson_perception.evaluation.depth_folder import DepthFolder
from jetson_perception.evaluation.opening import open_dataset


@pytest.fixture
def folder(tmp_path):
    for name in ('images', 'depth'):
        (tmp_path / name).mkdir()
    cv2.imwrite(str(tmp_path / 'images' / 'a.png'), np.zeros((2, 3, 3), np.uint8))
    return tmp_path


def only(folder, **given):
    dataset = open_dataset(str(folder), depth=DepthFolder(**given))
    assert dataset.count == 1
    (labelled,) = dataset.pictures
    return labelled.truth


def npy(array):
    data = io.BytesIO()
    np.save(data, array)
    return data.getvalue()


class TestRead:
    def test_millimetres(self, folder):
        depth = np.array([[1000, 0, 65535], [1, 2500, 65534]], np.uint16)
        cv2.imwrite(str(folder / 'depth' / 'a.png'), depth)
        expected = [[1, np.nan, np.nan], [0.001, 2.5, 65.534]]
        assert only(folder) == pytest.approx(np.array(expected, np.float32), nan_ok=True)

    def test_another_unit(self, folder):
        cv2.imwrite(str(folder / 'depth' / 'a.png'), np.full((2, 3), 512, np.uint16))
        assert only(folder, unit_m=1 / 256) == pytest.approx(2)

    @pytest.mark.parametrize(
        'dtype', [np.float16, np.float32, np.float64, '>f4'], ids=lambda dtype: np.dtype(dtype).str
    )
    @pytest.mark.parametrize('order', ['C', 'F'])
    def test_metres(self, folder, dtype, order):
        depth = np.array([[1, 2, 3], [0, np.nan, np.inf]], dtype, order=order)
        np.save(folder / 'depth' / 'a.npy', depth)
        expected = np.array([[1, 2, 3], [np.nan] * 3], np.float32)
        assert only(folder) == pytest.approx(expected, nan_ok=True)

    def test_with_an_axis_for_the_image(self, folder):
        np.save(folder / 'depth' / 'a.npy', np.full((1, 2, 3), 4, np.float32))
        assert only(folder).shape == (2, 3)


class TestRefused:
    @pytest.mark.parametrize(
        ('content', 'message'),
        [
            pytest.param(b'', 'not an array as numpy.save writes it', id='empty'),
            pytest.param(b'PK\x03\x04', 'not an array as numpy.save writes it', id='npz'),
            pytest.param(npy(np.ones((2, 3), int)), r'int64 \(2, 3\); expected floats', id='ints'),
            pytest.param(npy(np.ones(6)), r'float64 \(6,\); expected floats', id='flat'),
            pytest.param(npy(np.ones((0, 3))), r'float64 \(0, 3\); expected', id='no_rows'),
            pytest.param(npy(np.ones((2, 3)))[:-1], 'cut off or damaged', id='cut_off'),
            pytest.param(npy(np.ones((3, 2))), r'is 2×3, but its picture is 3×2', id='size'),
            pytest.param(
                npy(np.array([[None, 'x', 1]] * 2)), r'object \(2, 3\); expected', id='pickled'
            ),
        ],
    )
    def test_arrays(self, folder, content, message):
        (folder / 'depth' / 'a.npy').write_bytes(content)
        with pytest.raises(ImageError, match=message):
            only(folder)

    def test_one_that_claims_more_than_it_has(self, folder):
        data = npy(np.ones((2, 3)))
        (folder / 'depth' / 'a.npy').write_bytes(data.replace(b'(2, 3)', b'(2000000, 3000000)'))
        with pytest.raises(ImageError):
            only(folder)

    @pytest.mark.parametrize('pixels', [np.ones((2, 3), np.uint8), np.ones((2, 3, 3), np.uint16)])
    def test_pictures_of_another_kind(self, folder, pixels):
        cv2.imwrite(str(folder / 'depth' / 'a.png'), pixels)
        with pytest.raises(ImageError, match='one channel of 16 bits'):
            only(folder)

    def test_none_and_two(self, folder):
        with pytest.raises(ImageError, match=r'a\.png has no depth; expected .*a\.png or \.npy'):
            only(folder)
        for ending in ('png', 'npy'):
            (folder / 'depth' / f'a.{ending}').write_bytes(b'')
        with pytest.raises(ImageError, match=r'as \.png and as \.npy; leave one'):
            only(folder)

    def test_no_pictures(self, folder):
        (folder / 'images' / 'a.png').unlink()
        with pytest.raises(SourceError):
            open_dataset(str(folder))

    @pytest.mark.parametrize('given', [{'unit_m': 0.0}, {'most_m': float('nan')}])
    def test_settings(self, given):
        with pytest.raises(ParameterError, match='expected metres, more than 0'):
            DepthFolder(**given)
