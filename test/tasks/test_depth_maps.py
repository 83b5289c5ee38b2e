"""Depth from one image: which output holds it, and what it is at each pixel of the image."""

import numpy as np
import pytest

from jetson_perception.errors import ModelError, ParameterError
from jetson_perception.model_info import ModelInfo
from jetson_perception.tasks.depth_maps import DepthLayout, depth_of_image, recognize_depth
from jetson_perception.tasks.network_outputs import NetworkOutputs
from jetson_perception.tasks.preprocess import fit
from jetson_perception.tasks.results import DepthMap


def outputs_of(network_wh=(64, 48), dtype=np.float32, **shapes):
    arrays = [np.zeros(shape, dtype) for shape in shapes.values()]
    return NetworkOutputs(list(shapes), arrays, network_wh)


def layout_of(values='metric'):
    return DepthLayout(values, 0, 'depth', by_name=True)


class TestRecognition:
    @pytest.mark.parametrize(
        'shapes',
        [
            pytest.param({'predicted_depth': (1, 48, 64)}, id='hugging_face'),
            pytest.param({'depth': (1, 1, 48, 64)}, id='four_axes'),
            pytest.param({'depth': (1, 48, 64, 1)}, id='channels_last'),
            pytest.param({'Disparity': (48, 64)}, id='disparity'),
            pytest.param({'depth': (1, 24, 32)}, id='half_the_size'),
        ],
    )
    def test_by_its_name(self, shapes):
        layout = recognize_depth(outputs_of(**shapes), ModelInfo())
        assert layout == DepthLayout('inverse', 0, next(iter(shapes)), by_name=True)

    def test_the_one_of_several_outputs(self):
        shapes = {
            'predicted_normal': (1, 3, 48, 64),
            'predicted_depth': (1, 1, 48, 64),
            'depth_confidence': (1, 1, 48, 64),
        }
        assert recognize_depth(outputs_of(**shapes), ModelInfo()).index == 1

    def test_several_that_are_called_so(self):
        outputs = outputs_of(depth_0=(1, 48, 64), depth_1=(1, 24, 32))
        with pytest.raises(ParameterError, match="'depth_0', 'depth_1'; set 'output_name'") as e:
            recognize_depth(outputs, ModelInfo(task='depth'))
        assert e.value.parameter == 'output_name'

    def test_a_map_that_nothing_explains(self):
        outputs = outputs_of(output=(1, 48, 64))
        with pytest.raises(ParameterError, match=r"may be depth .*; set 'task' to depth") as e:
            recognize_depth(outputs, ModelInfo())
        assert e.value.parameter == 'task'
        for said in (ModelInfo(task='depth'), ModelInfo(depth_values='relative')):
            assert not recognize_depth(outputs, said).by_name

    @pytest.mark.parametrize(
        'values', ['metric', 'relative', pytest.param('inverse', id='inverse_depth')]
    )
    def test_what_is_said_of_its_values(self, values):
        outputs = outputs_of(metric_depth=(1, 48, 64))
        assert recognize_depth(outputs, ModelInfo(depth_values=values)).values == values

    def test_metres_are_not_guessed_from_a_name(self):
        assert (
            recognize_depth(outputs_of(metric_depth=(1, 48, 64)), ModelInfo()).values == 'inverse'
        )

    @pytest.mark.parametrize(
        ('shape', 'dtype'),
        [
            pytest.param((), np.float32, id='scalar'),
            pytest.param((1, 1000), np.float32, id='classes'),
            pytest.param((1, 3, 48, 64), np.float32, id='three_channels'),
            pytest.param((1, 64, 48), np.float32, id='turned'),
            pytest.param((1, 3, 4), np.float32, id='too_coarse'),
            pytest.param((1, 48, 64), np.int64, id='integers'),
        ],
    )
    def test_what_is_no_map(self, shape, dtype):
        outputs = outputs_of(dtype=dtype, depth=shape)
        with pytest.raises(ModelError, match='does not hold a depth for each place of a 64×48'):
            recognize_depth(outputs, ModelInfo(task='depth', path='my.onnx'))


def ramp(width, height, left=1.0, right=2.0):
    """From left to right, shape (1, 1, height, width)."""
    row = np.linspace(left, right, width, dtype=np.float32)
    return np.tile(row, (height, 1))[None, None]


class TestDepthOfImage:
    def test_the_same_size(self):
        values = np.random.default_rng(0).uniform(1, 9, (1, 1, 12, 16)).astype(np.float32)
        found = depth_of_image(values, layout_of(), fit((16, 12), (16, 12), 'stretch'))
        assert np.array_equal(found.values, values[0, 0])
        assert found.is_metric

    @pytest.mark.parametrize(
        'source_wh',
        [
            pytest.param((33, 21), id='larger'),
            pytest.param((5, 3), id='smaller'),
            pytest.param((1, 1), id='one_pixel'),
            pytest.param((1, 40), id='a_column'),
        ],
    )
    def test_a_ramp_stays_one(self, source_wh):
        transform = fit(source_wh, (16, 12), 'stretch')
        found = depth_of_image(ramp(16, 12), layout_of(), transform)
        wanted = np.linspace(1, 2, source_wh[0])
        assert found.values.shape == source_wh[::-1]
        assert np.abs(found.values - wanted).max() < 1e-6

    @pytest.mark.parametrize('resize', ['letterbox', 'letterbox_top_left'])
    def test_padding_has_no_part_in_it(self, resize):
        transform = fit((64, 32), (16, 16), resize)
        values = np.full((1, 16, 16), np.nan, np.float32)
        top = 4 if resize == 'letterbox' else 0
        values[:, top : top + 8] = ramp(16, 8)[0]
        found = depth_of_image(values, layout_of(), transform).values
        assert found.shape == (32, 64)
        assert found.min() == 1
        assert found.max() == 2
        # A pixel's center is where it is in the network's input.
        at = np.clip((np.arange(64) + 0.5) / 4 - 0.5, 0, 15) / 15 + 1
        assert np.abs(found - at).max() < 1e-6

    def test_a_coarse_grid_under_padding(self):
        # 5.625 of 8 rows: the outermost lie partly in the padding.
        transform = fit((160, 90), (32, 32), 'letterbox')
        values = np.full((1, 8, 8), 3, np.float32)
        found = depth_of_image(values, layout_of(), transform).values
        assert found.shape == (90, 160)
        assert (found == 3).all()

    def test_what_is_not_in_front_of_the_camera(self):
        values = np.full((1, 12, 16), 2, np.float32)
        values[0, 0, :2] = 0, -1
        transform = fit((16, 12), (16, 12), 'stretch')
        found = depth_of_image(values, layout_of(), transform).values
        assert np.isnan(found[0, :2]).all()
        assert (found.ravel()[2:] == 2).all()
        for meaning in ('relative', 'inverse'):
            kept = depth_of_image(values, layout_of(meaning), transform)
            assert np.array_equal(kept.values, values[0])
            assert not kept.is_metric

    @pytest.mark.parametrize('value', [np.nan, np.inf, -np.inf])
    def test_what_is_no_number(self, value):
        values = ramp(16, 12)
        values[0, 0, 5, 5] = value
        with pytest.raises(ModelError, match='1 of 192'):
            depth_of_image(values, layout_of(), fit((16, 12), (16, 12), 'stretch'))

    def test_half_precision(self):
        values = ramp(16, 12).astype(np.float16)
        found = depth_of_image(values, layout_of(), fit((8, 8), (16, 12), 'stretch'))
        assert found.values.dtype == np.float32

    def test_another_shape_than_before(self):
        with pytest.raises(ModelError, match='export it with fixed shapes'):
            depth_of_image(
                np.zeros((1, 3, 12, 16), np.float32),
                layout_of(),
                fit((16, 12), (16, 12), 'stretch'),
            )


@pytest.mark.parametrize(
    'values',
    [
        pytest.param(np.zeros((1, 2, 3), np.float32), id='three_axes'),
        pytest.param(np.zeros((2, 3)), id='double_precision'),
    ],
)
def test_a_result_is_a_float_for_each_pixel(values):
    with pytest.raises(ValueError, match=r'must be float32 \(h, w\)'):
        DepthMap(values, 'metric')
