"""No input from outside hangs a parser, takes its memory, or raises what is not of errors.py.

The inputs are the same in every run; `tools/fuzz.py` looks for others.
"""

from __future__ import annotations

import logging

import pytest
from fuzzing.guard import check, no_hang
from fuzzing.inputs import BATCH, batches
from fuzzing.targets import TARGETS
from hypothesis import HealthCheck, given, settings


@pytest.fixture(autouse=True)
def quiet(caplog):
    """What parsers leave out with a warning is no finding, and would be a million lines."""
    with caplog.at_level(logging.CRITICAL, 'jetson_perception'):
        yield


@pytest.mark.parametrize('target', [pytest.param(each, id=each.name) for each in TARGETS])
def test_foreign_inputs(target):
    count = 0

    @settings(
        max_examples=target.in_test // BATCH,
        derandomize=True,
        database=None,
        deadline=None,
        suppress_health_check=list(HealthCheck),
    )
    @given(batches(target.inputs))
    def run(inputs):
        nonlocal count
        for value in inputs:
            count += 1
            with no_hang():
                check(target.call, value)

    run()
    assert count >= target.in_test
