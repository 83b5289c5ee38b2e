"""What tools/measure_view.py calls a missed bar. It is run by hand: it needs a quiet machine."""

import sys
from pathlib import Path

import pytest

sys.path.append(str(Path(__file__).resolve().parents[2] / 'tools'))

from measure_view import report_cost, report_truth


def figures(ms):
    return {'pictures/s': 60.0, 'core': 0.06 * ms, 'ms a picture': ms}


@pytest.mark.parametrize(('view_ms', 'is_met'), [(8.0, True), (9.0, False)])
def test_a_quarter_of_a_core_is_too_much(view_ms, is_met):
    assert report_cost({'alone': figures(5.0), 'view': figures(view_ms)}) is is_met


@pytest.mark.parametrize(
    ('page', 'is_met'),
    [
        pytest.param({'Hz': 30.0, 'ms': 20.5}, True, id='met'),
        pytest.param({'Hz': 28.0, 'ms': 20.0}, False, id='another_rate'),
        pytest.param({'Hz': 30.0, 'ms': 21.5}, False, id='another_latency'),
    ],
)
def test_figures_have_to_be_those_of_a_listener(page, is_met):
    assert report_truth({'page': page, 'listener': {'Hz': 30.0, 'ms': 20.0}}) is is_met
