"""Pixels in inputs of every layout and type: planes and pixels hold the same values."""

import numpy as np
import pytest

from jetson_perception.errors import ParameterError
from jetson_perception.tasks.input_layout import InputLayout, input_layout
from jetson_perception.tasks.normalization import Normalization
from jetson_perception.tasks.preprocess import Preprocessor

IMAGENET = Normalization(mean=(0.485, 0.456, 0.406), std=(0.229, 0.224, 0.225))
PIXELS = Normalization(scale=1.0)
BGR = Normalization(color_order='bgr', mean=(0.1, 0.2, 0.3))
IMAGE = np.random.default_rng(0).integers(0, 256, (30, 44, 3), np.uint8)


def tensor(channels=3, *, last=False, dtype=np.float32, normalization=None, **settings):
    normalization = normalization or (PIXELS if np.dtype(dtype).kind in 'iu' else Normalization())
    make = Preprocessor(
        (32, 24),
        normalization=normalization,
        dtype=dtype,
        layout=InputLayout(channels, last),
        **settings,
    )
    first = make(IMAGE)[0].copy()
    again = make(IMAGE, np.full_like(first, 7))[0]
    np.testing.assert_array_equal(again, first)
    return first


@pytest.mark.parametrize('resize', ['letterbox', 'letterbox_top_left', 'stretch', 'center_crop'])
@pytest.mark.parametrize('dtype', [np.float32, np.float16, np.uint8, np.int32], ids=str)
@pytest.mark.parametrize('channels', [1, 3, 4])
def test_pixels_are_planes_transposed(channels, dtype, resize):
    planes = tensor(channels, dtype=dtype, resize=resize)
    pixels = tensor(channels, dtype=dtype, resize=resize, last=True)
    assert (planes.shape, pixels.shape) == ((1, channels, 24, 32), (1, 24, 32, channels))
    np.testing.assert_array_equal(pixels.transpose(0, 3, 1, 2), planes)


@pytest.mark.parametrize('normalization', [IMAGENET, BGR], ids=['imagenet', 'bgr'])
@pytest.mark.parametrize('dtype', [np.float32, np.float16], ids=str)
def test_each_channel_has_its_own_values(normalization, dtype):
    planes = tensor(dtype=dtype, normalization=normalization)
    pixels = tensor(dtype=dtype, normalization=normalization, last=True)
    np.testing.assert_array_equal(pixels.transpose(0, 3, 1, 2), planes)
    raw = tensor(dtype=np.uint8, normalization=Normalization(1.0, color_order='rgb'))
    if normalization is IMAGENET:
        for channel in range(3):
            mean, std = normalization.mean[channel], normalization.std[channel]
            expected = (raw[0, channel] / 255 - mean) / std
            np.testing.assert_allclose(planes[0, channel], expected, atol=2e-3)


@pytest.mark.parametrize('dtype', [np.uint8, np.int32], ids=str)
def test_integers_are_pixel_values(dtype):
    floats = tensor(normalization=PIXELS)
    np.testing.assert_array_equal(tensor(dtype=dtype), floats.astype(dtype))


def test_gray_is_the_luma():
    gray, colors = tensor(1, normalization=PIXELS), tensor(normalization=PIXELS)
    luma = np.tensordot([0.299, 0.587, 0.114], colors[0], 1)
    assert np.abs(gray[0, 0] - luma).max() <= 0.51
    assert (tensor(1, pad_value=31, normalization=PIXELS)[0, 0, 0] == 31).all()


def test_a_fourth_channel_is_opaque():
    assert (tensor(4)[0, 3] == 1).all()
    assert (tensor(4, dtype=np.uint8, last=True)[..., 3] == 255).all()
    np.testing.assert_array_equal(
        tensor(4, normalization=IMAGENET)[:, :3], tensor(normalization=IMAGENET)
    )


@pytest.mark.parametrize(
    ('shape', 'expected'),
    [
        ((1, 3, 8, 9), InputLayout(3, False)),
        ((1, 8, 9, 3), InputLayout(3, True)),
        ((1, 1, 8, 9), InputLayout(1, False)),
        ((1, 8, 9, 1), InputLayout(1, True)),
        ((1, 4, 8, 9), InputLayout(4, False)),
        ((-1, -1, -1, 3), InputLayout(3, True)),
        ((-1, 3, -1, -1), InputLayout(3, False)),
        ((1, 3, 3, 3), InputLayout(3, False)),
        ((1, 1, 8, 3), InputLayout(3, True)),
        ((1, 8, 9, 5), None),
        ((-1, -1, -1, -1), None),
        ((3, 8, 9), None),
        ((), None),
    ],
    ids=str,
)
def test_which_layout_a_shape_has(shape, expected):
    assert input_layout(shape) == expected


@pytest.mark.parametrize(
    ('settings', 'parameter', 'text'),
    [
        pytest.param(
            {'dtype': np.uint8, 'normalization': Normalization()},
            'scale',
            'takes uint8, and normalized pixels would have 2 values left of 256',
            id='fractions_as_integers',
        ),
        pytest.param(
            {
                'dtype': np.uint8,
                'normalization': Normalization(scale=1.0, std=(1.0, 100.0, 1.0)),
            },
            'scale',
            'takes uint8, and normalized pixels would have 4 values left of 256',
            id='integers_that_merge_in_one_channel',
        ),
        pytest.param(
            {'dtype': np.uint8, 'normalization': Normalization(1.0, (9.0, 9.0, 9.0))},
            'scale',
            'would be -9 to 246',
            id='below_0',
        ),
        pytest.param(
            {'channels': 1, 'normalization': IMAGENET}, 'mean', 'takes gray', id='gray_by_channel'
        ),
    ],
)
def test_values_that_the_input_cannot_hold(settings, parameter, text):
    with pytest.raises(ParameterError, match=text) as caught:
        tensor(**settings)
    assert caught.value.parameter == parameter
