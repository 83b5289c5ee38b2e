"""What --set refuses."""

import pytest

from jetson_perception.commands.overrides import read_overrides
from jetson_perception.errors import ModelError, ParameterError


@pytest.mark.parametrize(
    ('setting', 'option'),
    [
        pytest.param('score_threshold=0.3', '--score-threshold', id='score'),
        pytest.param('score_treshold=0.3', '--score-threshold', id='mistyped'),
        pytest.param(' iou_threshold = 0.3', '--iou-threshold', id='spaces'),
        pytest.param('max_detection=3', '--max-detections', id='singular'),
        pytest.param('max_detections=[', '--max-detections', id='not_yaml'),
    ],
)
def test_thresholds_are_options_of_their_own(setting, option):
    with pytest.raises(ParameterError, match=f'an option of its own: {option}$'):
        read_overrides([setting])


def test_another_unknown_key_gets_the_nearest_one():
    with pytest.raises(ModelError, match="unknown key 'class_nams'; did you mean 'class_names'"):
        read_overrides(['class_nams=[a]'])


def test_keys_of_a_model_file_are_taken():
    assert read_overrides(['task=detect', 'input_size=[640,480]']).task == 'detect'
