"""Who gets whom."""

import sys

import numpy as np
import pytest

from jetson_perception.errors import ParameterError
from jetson_perception.tracking.assignment import Round, assign, assign_in_turn, solver


def pairs(gains, least=0.3):
    gains = np.array(gains, float)
    return sorted(zip(*map(np.ndarray.tolist, assign(gains, gains >= least)), strict=True))


@pytest.mark.parametrize('shape', [(0, 0), (0, 3), (3, 0)])
def test_nobody(shape):
    assert pairs(np.empty(shape)) == []


def test_the_sum_counts_and_what_is_not_allowed_is_left():
    assert pairs([[0.9, 0.8], [0.8, 0.2]]) == [(0, 1), (1, 0)]
    assert pairs([[0.1, 0.2], [0.2, 0.1]]) == []
    assert pairs([[0.1, 0.2, 0.5]]) == [(0, 2)]


def test_one_good_pair_is_worth_more_than_two_poor_ones():
    overlaps = np.array([[0.9, 0.4], [0.45, 0.0]])
    everything = np.ones(2, bool)
    rows, columns = assign_in_turn([Round(everything, everything, overlaps, 0.3)])
    assert (rows.tolist(), columns.tolist()) == ([0], [0])


def test_a_pair_that_a_bonus_speaks_against_is_better_than_none():
    everything, overlaps = np.ones(2, bool), np.array([[0.5, 0.0], [0.5, 0.6]])
    bonus = np.array([[-0.9, 0.0], [0.0, 0.0]])
    rows, columns = assign_in_turn([Round(everything, everything, overlaps, 0.3, 1.0, bonus)])
    assert (rows.tolist(), columns.tolist()) == ([0, 1], [0, 1])


def test_a_later_round_gets_what_is_left():
    overlaps = np.array([[0.9, 0.8], [0.7, 0.6]])
    everything, first = np.ones(2, bool), np.array([True, False])
    rounds = [
        Round(first, first, overlaps, 0.3),
        Round(everything, everything, overlaps, 0.3),
    ]
    rows, columns = assign_in_turn(rounds)
    assert sorted(zip(rows.tolist(), columns.tolist(), strict=True)) == [(0, 0), (1, 1)]


def test_without_scipy_the_error_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, 'scipy.optimize', None)
    solver.cache_clear()
    with pytest.raises(ParameterError, match='apt install python3-scipy') as caught:
        solver()
    assert caught.value.parameter == 'tracker'
    monkeypatch.undo()
    solver.cache_clear()
    assert callable(solver())
