"""Errors of lanes that nobody expects."""

import numpy as np

from jetson_perception.errors import ImageError
from jetson_perception.pipeline.unexpected import as_expected


def test_ours_stay_as_they_are(caplog):
    error = ImageError('it has no pixels')
    assert as_expected(error, 'det', 'with a frame') is error
    assert not caplog.records


def test_others_are_logged_with_their_traceback(caplog):
    told = as_expected(ZeroDivisionError('\x1b[2J'), 'det', 'with a frame')
    assert str(told) == r'det: unexpected ZeroDivisionError: \x1b[2J'
    assert caplog.records[0].exc_info


def test_what_the_machine_lacks_is_one_line(caplog):
    try:
        np.empty((1 << 30, 1 << 30), np.uint8)
    except MemoryError as error:
        told = as_expected(error, 'det', 'with a frame')
    assert str(told).startswith('det: memory ran out (')
    assert 'It said: Unable to allocate 1.00 EiB' in str(told)
    assert not caplog.records
