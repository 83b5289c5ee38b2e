"""The ways of objects."""

import numpy as np

from jetson_perception.tracking.trails import Trails


def add(trails, ids, x, time_s, history_s=1.0):
    centers = np.stack((np.array(x, np.float32), np.zeros(len(x), np.float32)), axis=1)
    return trails.add(np.array(ids, np.int64), centers.reshape(-1, 2), time_s, history_s)


def test_nobody():
    trails = Trails()
    for step in range(3):
        assert add(trails, [], [], step / 10).shape[0] == 0


def test_a_way_ends_where_the_object_is_and_begins_within_the_history():
    trails = Trails()
    for step in range(50):
        way = add(trails, [7], [step], step / 10, 1.05)[0, :, 0].tolist()
    assert way == [*range(39, 50)]


def test_ways_do_not_mix_and_gaps_repeat_a_point():
    trails = Trails()
    add(trails, [0, 1], [0, 100], 0.0)
    add(trails, [1, -1], [101, 555], 0.1)
    ways = add(trails, [-1, 1, 0, 2], [5, 102, 2, 300], 0.2)[..., 0].tolist()
    assert ways == [[5, 5, 5], [100, 101, 102], [0, 0, 2], [300, 300, 300]]


def test_their_number_of_points_is_limited_and_so_are_objects():
    trails = Trails()
    for step in range(500):
        ways = add(trails, [0], [step], step / 1000)
    assert ways.shape[1] <= 66
    assert ways[0, -1, 0] == 499
    for step in range(5):
        first = 1 + 1000 * step
        ids = np.arange(first, first + 1000)
        ways = add(trails, ids, ids, 0.5 + step / 10)
        np.testing.assert_array_equal(ways[:, -1, 0], ids)
