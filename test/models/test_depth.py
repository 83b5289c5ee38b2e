"""Depth networks as models: real ONNX files, from a picture to its depth and whatever follows."""

import json

import cv2
import numpy as np
import pytest
from onnx_models import depth_network

from jetson_perception.commands.main import main
from jetson_perception.errors import ModelError, ParameterError
from jetson_perception.model_info import ModelInfo
from jetson_perception.models import DepthModel, SegmentationModel, YoloModel, open_model


def half_red(width=96, height=32):
    """Black on the left, red on the right; BGR."""
    bgr = np.zeros((height, width, 3), np.uint8)
    bgr[:, width // 2 :, 2] = 255
    return bgr


@pytest.fixture
def path(tmp_path):
    return depth_network(tmp_path / 'my.onnx')


@pytest.fixture
def picture(tmp_path):
    file = tmp_path / 'picture.png'
    cv2.imwrite(str(file), half_red())
    return file


class TestModel:
    def test_an_export_of_ultralytics_is_in_metres(self, path):
        with open_model(path) as model:
            assert isinstance(model, DepthModel)
            assert model.preprocessor.resize == 'stretch'
            assert model.class_names == ()
            assert model.assumed == {}
            found = model(half_red())
        assert found.is_metric
        assert found.values.shape == (32, 96)
        assert np.isnan(found.values[:, 0]).all()  # 0 m
        assert found.values[:, 64:] == pytest.approx(10, abs=1e-4)

    def test_what_is_assumed_of_a_file_without_metadata(self, tmp_path):
        path = depth_network(tmp_path / 'my.onnx', output='depth', metadata={})
        with open_model(path) as model:
            assert model.layout.values == 'inverse'
            expected = {
                'depth_values': 'inverse',
                'resize': 'stretch',
                'mean': '0.485 0.456 0.406',
                'std': '0.229 0.224 0.225',
            }
            assert model.assumed.items() >= expected.items()
            assert not model(half_red()).is_metric

    @pytest.mark.parametrize(
        ('metadata', 'sidecar', 'overrides', 'values'),
        [
            pytest.param({'depth_values': 'metric'}, '', {}, 'metric', id='metadata'),
            pytest.param({'task': 'depth'}, '', {}, 'inverse', id='the_task_alone'),
            pytest.param({'depth_values': 'miles'}, '', {}, 'inverse', id='unknown_words'),
            pytest.param({}, 'depth_values: relative\n', {}, 'relative', id='file'),
            pytest.param(
                {'depth_values': 'metric'},
                'depth_values: inverse\n',
                {'depth_values': 'relative'},
                'relative',
                id='parameter',
            ),
        ],
    )
    def test_who_says_what_values_mean(self, tmp_path, metadata, sidecar, overrides, values):
        path = depth_network(tmp_path / 'my.onnx', output='depth', metadata=metadata)
        (tmp_path / 'my.yaml').write_text(sidecar)
        with open_model(path, overrides=ModelInfo(**overrides)) as model:
            assert model.layout.values == values

    def test_a_word_that_is_none(self, tmp_path, path):
        (tmp_path / 'my.yaml').write_text('depth_values: metrics\n')
        with pytest.raises(ModelError, match=r"'metrics' is not one of .*; did you mean 'metric'"):
            open_model(path)

    @pytest.mark.parametrize('opener', [YoloModel, SegmentationModel])
    def test_others_do_not_run_what_is_called_depth(self, tmp_path, opener):
        path = depth_network(tmp_path / 'my.onnx', output='predicted_depth', metadata={})
        with pytest.raises(ModelError, match=r'looks like a depth model, .*; use yolo_node'):
            opener.open(path)

    def test_a_foreground_is_not_taken_for_depth(self, tmp_path):
        path = depth_network(tmp_path / 'my.onnx', metadata={})
        with open_model(path, overrides=ModelInfo(output='logits')) as model:
            assert isinstance(model, SegmentationModel)
        with pytest.raises(
            ParameterError, match="if it is depth, set 'task' to depth, in yolo_node"
        ):
            SegmentationModel.open(path)


class TestCommands:
    def test_info(self, path, capsys):
        assert main(['info', str(path)]) == 0
        shown = capsys.readouterr().out
        for text in ('depth from one image', 'metres; output output0', "the task, 'depth'"):
            assert text in shown

    def test_run(self, path, picture, capsys):
        assert main(['run', str(path), str(picture)]) == 0
        assert 'to 10.00 m, median 10.00 m' in capsys.readouterr().out

    def test_run_with_json_and_a_folder(self, path, picture, tmp_path, capsys):
        out = tmp_path / 'out'
        assert main(['run', str(path), str(picture), '--json', '--output', str(out)]) == 0
        record = json.loads(capsys.readouterr().out)
        assert record['depth']['values'] == 'metric'
        assert record['depth']['most'] == pytest.approx(10, abs=1e-4)
        (line,) = (out / 'results.jsonl').read_text().splitlines()
        assert json.loads(line)['array'] == 'picture_depth.npy'
        depth = np.load(out / 'picture_depth.npy')
        assert depth.dtype == np.float32
        assert depth[0, -1] == pytest.approx(10, abs=1e-4)
        assert cv2.imread(str(out / 'picture.jpg')).shape == (32, 96, 3)
        assert not list(out.glob('*_mask.png'))

    def test_no_depth_anywhere(self, path, tmp_path, capsys):
        black = tmp_path / 'black.png'
        cv2.imwrite(str(black), np.zeros((8, 8, 3), np.uint8))
        assert main(['run', str(path), str(black), '--json']) == 0
        found = json.loads(capsys.readouterr().out)['depth']
        assert found == {'values': 'metric', 'least': None, 'median': None, 'most': None}

    def test_options_that_have_no_effect(self, path, picture, capsys):
        assert main(['run', str(path), str(picture), '--score-threshold', '0.5']) == 1
        assert 'a depth model' in capsys.readouterr().err
