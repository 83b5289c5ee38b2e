"""A cache of pixels, limited in bytes."""

import numpy as np
import pytest

from jetson_perception.drawing.kept import KeptPixels


def pixels(count):
    return lambda: np.zeros(count, np.uint8)


def not_made():
    pytest.fail('this is kept')


def test_a_kept_array_is_made_once_and_read_only():
    kept = KeptPixels(10_000)
    made = kept.get('cat', pixels(100))
    assert kept.get('cat', not_made) is made
    with pytest.raises(ValueError, match='read-only'):
        made[0] = 1


def test_the_least_recently_used_is_dropped_first():
    kept = KeptPixels(10_000)
    kept.get('cat', pixels(4000))
    kept.get('dog', pixels(4000))
    kept.get('cat', not_made)
    kept.get('cow', pixels(4000))
    kept.get('cat', not_made)
    kept.get('cow', not_made)
    assert kept.get('dog', pixels(3)).size == 3


@pytest.mark.parametrize('size', [0, 1, 3000, 9999, 10_000, 10_001, 10**6])
def test_bytes_are_bounded(size):
    kept = KeptPixels(10_000)
    for key in range(100):
        assert kept.get(key, pixels(size)).size == size
        assert kept.bytes <= 10_000
