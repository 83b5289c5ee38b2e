"""tools/check_gpu.py rehearsed on the CPU, and its judgement of results that differ."""

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from onnx_models import color_segmentation, detector, pose_detector

from jetson_perception.images import encodings
from jetson_perception.models import open_model
from jetson_perception.tasks.detection_options import DetectionOptions
from jetson_perception.tasks.results import Detections, Segmentation

ROOT = Path(__file__).resolve().parents[2]
sys.path.append(str(ROOT / 'tools'))

from gpu_checks import kernels, parity, soak  # noqa: E402
from gpu_checks.checks import Checks  # noqa: E402
from gpu_checks.heavy import slowed  # noqa: E402


@pytest.fixture
def checks(tmp_path):
    return Checks(tmp_path / 'found.json')


def missed(checks):
    return [check.name for check in checks.checks if check.kept is False]


def check_gpu(tmp_path, *options):
    """Exit code, what was printed, and the file of figures."""
    file = tmp_path / 'check.json'
    command = [sys.executable, ROOT / 'tools/check_gpu.py', '--device', 'cpu', '--frames', '4']
    done = subprocess.run(
        [*map(str, command), '--json', str(file), *options],
        capture_output=True,
        text=True,
        check=False,
        timeout=200,
    )
    content = json.loads(file.read_text()) if file.exists() else None
    return done.returncode, done.stdout + done.stderr, content


class TestCommand:
    def test_a_part_is_rehearsed(self, tmp_path):
        model = str(detector(tmp_path / 'a.onnx', size_wh=(64, 64)))
        code, text, content = check_gpu(
            tmp_path, '--models', model, model, '--only', 'concurrency'
        )
        assert code == 0, text
        assert 'together, ratio to one after another' in text
        part = content['parts']['concurrency']
        assert part['problem'] == ''
        assert all(check['kept'] is None for check in part['checks'])
        assert len(part['checks']) >= 4

    @pytest.mark.slow
    def test_nodes_are_rehearsed(self, tmp_path):
        model = str(detector(tmp_path / 'a.onnx', size_wh=(64, 64)))
        code, text, content = check_gpu(
            tmp_path, '--models', model, model, '--only', 'node', '--node-seconds', '1'
        )
        assert code == 0, text
        for name, engine in content['parts']['node']['records']['engines'].items():
            assert engine['rate_hz'] > 0, name
            assert engine['heard_median_ms'] > 0, name

    def test_a_part_that_breaks_is_reported_and_the_next_one_runs(self, tmp_path):
        model = str(tmp_path / 'none.onnx')
        code, text, content = check_gpu(
            tmp_path, '--models', model, '--only', 'concurrency,kernels'
        )
        assert code == 1
        assert list(content['parts']) == ['kernels', 'concurrency']
        for part in content['parts'].values():
            assert part['problem'] == 'broke: see its traceback'
        assert text.count('there is no model file') >= 2
        assert 'MISSED' in text

    def test_a_part_that_takes_too_long_is_ended(self, tmp_path):
        code, text, content = check_gpu(tmp_path, '--only', 'parity', '--limit', '0.2')
        assert code == 1
        assert content['parts']['parity']['problem'] == 'took longer than 0 s'
        assert 'is stopped' in text

    def test_an_unknown_part(self, tmp_path):
        code, text, _ = check_gpu(tmp_path, '--only', 'speed')
        assert code == 2
        assert 'there is no part speed' in text


class TestChecks:
    def test_bars(self, checks, tmp_path, capsys):
        checks.at_most('small', 0.1, 0.1)
        checks.at_most('large', 0.2, 0.1)
        checks.at_least('enough', 10, 10)
        checks.at_least('little', 9.9, 10)
        checks.holds('so', False, 'why')
        checks.note('just so', 5)
        assert missed(checks) == ['large', 'little', 'so']
        printed = capsys.readouterr().out.splitlines()
        assert printed[1] == '  MISS  large: 0.2   (required: ≤ 0.1)'
        assert printed[5] == '        just so: 5'
        assert len(json.loads((tmp_path / 'found.json').read_text())['checks']) == 6

    def test_nan_is_a_miss(self, checks):
        checks.at_most('broken', float('nan'), 1)
        checks.at_least('broken too', float('nan'), 1)
        assert len(missed(checks)) == 2


def found(*rows, keypoints=None):
    """Detections of rows (left, top, right, bottom, score, class)."""
    values = np.asarray(rows, np.float32).reshape(-1, 6)
    points = None
    if keypoints is not None:
        points = np.asarray(keypoints, np.float32).reshape(len(values), -1, 3)
    return Detections(values[:, :4], values[:, 4], values[:, 5].astype(np.int32), points)


BOX = (10, 10, 50, 50, 0.9, 0)
OTHER = (100, 10, 150, 50, 0.8, 1)


class TestBoxes:
    @pytest.mark.parametrize(
        ('here', 'there', 'expected'),
        [
            pytest.param(found(BOX, OTHER), found(BOX, OTHER), '', id='equal'),
            pytest.param(found(BOX, OTHER), found(OTHER, BOX), '', id='in_another_order'),
            pytest.param(found(BOX), found((10, 10, 50.4, 50, 0.9, 0)), '', id='near'),
            pytest.param(found(BOX), found((10, 10, 50.6, 50, 0.9, 0)), 'corner', id='off'),
            pytest.param(found(BOX), found((10, 10, 50, 50, 0.902, 0)), 'score', id='score'),
            pytest.param(found(BOX), found((10, 10, 50, 50, 0.9, 1)), 'both', id='class'),
            pytest.param(found(BOX, OTHER), found(BOX), 'both', id='lost'),
            pytest.param(found(BOX), found(BOX, OTHER), 'both', id='invented'),
            pytest.param(
                found(BOX, (100, 10, 150, 50, 0.2505, 1)), found(BOX), '', id='at_the_threshold'
            ),
            pytest.param(
                found(BOX, (10, 10, 50, 38, 0.8, 0)), found(BOX), '', id='at_the_overlap_allowed'
            ),
            pytest.param(
                found(BOX, keypoints=[20, 20, 0.9]),
                found(BOX, keypoints=[20, 20.6, 0.9]),
                'keypoint',
                id='keypoint',
            ),
            pytest.param(
                found(BOX, keypoints=[20, 20, 0.3]),
                found(BOX, keypoints=[20, 25, 0.3]),
                '',
                id='keypoint_that_is_a_guess',
            ),
        ],
    )
    def test_judgement(self, here, there, expected, checks):
        pairs = [(found(), found()), (here, there)]
        if here.keypoints is not None:
            pairs = pairs[1:]
        parity.compare_boxes(checks, 'model', pairs, DetectionOptions())
        misses = missed(checks)
        assert len(misses) == bool(expected), misses
        assert all(expected in name for name in misses)

    def test_nothing_found_is_noted(self, checks):
        parity.compare_boxes(checks, 'model', [(found(), found())], DetectionOptions())
        assert 'none found' in checks.checks[0].value


class TestMasks:
    def test_judgement(self, checks):
        mask = np.zeros((100, 100), np.uint8)
        one = Segmentation(mask, np.array([10000, 0]))
        other = mask.copy()
        other[:11, 0] = 1
        parity.compare_masks(checks, 'm', [(one, one)])
        assert missed(checks) == []
        two = Segmentation(other, np.array([9989, 11]))
        parity.compare_masks(checks, 'm', [(one, two)])
        assert len(missed(checks)) == 2
        parity.compare_masks(checks, 'm', [(one, replace(one, pixels=np.array([9999, 1])))])
        assert missed(checks)[-1] == 'm: pixel counts of classes agree with the mask'


def test_frames_vary_and_can_be_read():
    frames = list(parity.varied_frames('scene://people', 24))
    assert {frame.encoding for frame in frames} == set(parity._ENCODINGS)
    assert len({(frame.width, frame.height) for frame in frames}) >= 6
    assert any(not frame.pixels.flags.c_contiguous for frame in frames)
    means = [frame.frame().bgr().mean(axis=(0, 1)) for frame in frames]
    assert all(frame.frame().bgr().shape == (frame.height, frame.width, 3) for frame in frames)
    assert np.ptp(means, axis=0).max() < 120, 'an encoding has its channels mixed up'


@pytest.mark.parametrize('encoding', sorted(set(parity._ENCODINGS)))
def test_encodings_hold_the_picture(encoding):
    blocks = np.random.default_rng(0).integers(30, 220, (4, 6, 3), np.uint8)
    bgr = np.kron(blocks, np.ones((16, 16, 1), np.uint8))
    data, row = parity.encode(bgr, encoding)
    back = encodings.to_bgr(encodings.view(data.tobytes(), 64, 96, encoding, row), encoding)
    inner = np.abs(back[4:-4, 4:-4].astype(int) - bgr[4:-4, 4:-4])
    if encoding == 'mono8':
        assert np.ptp(back, axis=2).max() == 0
    else:  # YUV of full range is read as one of limited range here
        assert np.median(inner) < 30


def test_a_slowed_model_finds_the_same(tmp_path):
    path = color_segmentation(tmp_path / 'colors.onnx')
    path.with_suffix('.yaml').write_text('class_names: [a, b, c, d]\n')
    out = slowed(path, tmp_path / 'slow.onnx', 3)
    blocks = np.random.default_rng(0).integers(0, 255, (3, 4, 3), np.uint8)
    picture = np.kron(blocks, np.ones((16, 16, 1), np.uint8))
    before, after = open_model(path), open_model(out)
    assert after.class_names == ('a', 'b', 'c', 'd')
    assert np.mean(before(picture).mask != after(picture).mask) < 0.01
    before.close()
    after.close()


@pytest.mark.parametrize('make', [detector, pose_detector])
def test_a_crowd(make, tmp_path):
    model = open_model(make(tmp_path / 'a.onnx'))
    tensor, transform = model.preprocess(np.zeros((480, 640, 3), np.uint8))
    outputs = model.infer(tensor)
    before = len(model.postprocess(outputs, transform))
    crowd = [kernels.crowded(np.array(outputs[0]), model)]
    assert len(model.postprocess(crowd, transform)) > 250 > before
    model.close()


class TestSoak:
    @staticmethod
    def samples(count=40, **growth):
        return [
            {
                'seconds': number,
                'frames': 10 * number,
                'failed': 0,
                'host_mb': 100 + growth.get('host_mb', 0) * number / count,
                'device_mb': 500 + growth.get('device_mb', 0) * number / count,
            }
            for number in range(count)
        ]

    def test_flat(self, checks):
        soak.judge(checks, self.samples(host_mb=2, device_mb=1), [])
        assert missed(checks) == []

    def test_growth_and_failures(self, checks):
        soak.judge(checks, self.samples(host_mb=30, device_mb=30), [{'failed': 2}])
        assert len(missed(checks)) == 3

    def test_nothing_came(self, checks):
        soak.judge(checks, [], [])
        assert missed(checks) == ['figures came every second']

    @pytest.mark.slow
    def test_the_real_thing(self, checks, tmp_path):
        model = str(detector(tmp_path / 'a.onnx', size_wh=(64, 64)))
        options = SimpleNamespace(
            models=(model,), sizes=((320, 240),), runtime='onnxruntime_cpu', soak_seconds=1.5
        )
        soak.run(options, checks)
        assert missed(checks) == []
