"""What tools/soak.py makes of its samples."""

import json
import math
import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

pytest.importorskip('rclpy')  # the command starts nodes

TOOL = Path(__file__).resolve().parents[2] / 'tools' / 'soak.py'
sys.path.insert(0, str(TOOL.parent))

import soak  # noqa: E402
from soaking import plot  # noqa: E402
from soaking.samples import Sample, imbalance, sample, slope  # noqa: E402


class TestSlope:
    def test_of_nearly_nothing_is_not_known(self):
        assert all(map(math.isnan, slope([], [])))
        assert all(map(math.isnan, slope([0.0, 1.0], [5.0, 6.0])))

    def test_of_a_line_is_certain(self):
        at_s = np.arange(600.0)
        grown, error = slope(list(at_s), list(30 + 2 * at_s / 3600))
        assert grown == pytest.approx(2)
        assert error == pytest.approx(0, abs=1e-9)

    def test_of_what_does_not_grow_is_within_its_error(self):
        at_s = np.arange(7200.0)
        values = 30 + np.random.default_rng(3).normal(size=7200)
        grown, error = slope(list(at_s), list(values))
        assert abs(grown) < 3 * error
        assert 0 < error < 0.2

    def test_of_one_step_is_uncertain(self):
        """All samples of a moment say the same, so that there are many makes it no surer."""
        values = [30.0] * 300 + [31.0] * 300
        grown, error = slope(list(map(float, range(600))), values)
        assert grown == pytest.approx(9, abs=1)
        assert error > 0.8


@pytest.mark.parametrize(
    ('received', 'missing'), [pytest.param(10, 0, id='all'), pytest.param(12, 2, id='two')]
)
def test_frames_that_are_counted_as_nothing(received, missing):
    stats = SimpleNamespace(
        frames_received=received,
        frames_processed=4,
        frames_skipped=3,
        frames_left_out=2,
        frames_failed=1,
    )
    assert imbalance(stats) == missing


@pytest.mark.parametrize(
    ('counts', 'is_told'),
    [
        pytest.param([5] * 20, False, id='constant'),
        pytest.param([5, 9] * 10, False, id='up_and_down'),
        pytest.param([5] * 10 + [6] * 10, True, id='one_more'),
    ],
)
def test_more_threads_than_before(counts, is_told):
    assert bool(soak._more('seg_node', 'threads', counts)) is is_told


def test_a_sample_of_this_process_with_the_latency_of_its_engines():
    stats = SimpleNamespace(
        frames_lost=2,
        frames_skipped=3,
        stages=[
            SimpleNamespace(name='wait', median_ms=1.0),
            SimpleNamespace(name='total', median_ms=7.5),
        ],
    )
    taken = sample(os.getpid(), 4.0, {'det/left': stats})
    assert taken.resident_kb > taken.own_kb > 1000
    assert taken.handles >= 3
    assert taken.threads >= 1
    assert taken.latency_ms == {'det/left': 7.5}
    assert taken.dropped == {'det/left': 5}


def test_the_figure(tmp_path):
    pytest.importorskip('matplotlib')
    taken = [Sample(float(at), 30_000, 90_000, 12, 40, {'seg': 8.0}, {'seg': at}) for at in (0, 1)]
    plot.write(tmp_path / 'soak.svg', {'seg_node': taken})
    assert 'own memory (MB)' in (tmp_path / 'soak.svg').read_text()


@pytest.mark.slow
@pytest.mark.alone
def test_half_a_minute_of_it(tmp_path):
    file = tmp_path / 'soak.json'
    command = [
        sys.executable,
        str(TOOL),
        '--minutes',
        '0.5',
        '--warm-up',
        '0.1',
        '--json',
        str(file),
    ]
    done = subprocess.run(
        [*command, '--limit', '1e9'], capture_output=True, text=True, check=False, timeout=300
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.count('images sent, ') == 6
    taken = json.loads(file.read_text())
    assert set(taken) == {'seg_node', 'yolo_node'}
    assert all(len(each) > 10 for each in taken.values())
