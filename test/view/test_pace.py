"""How large pictures become on links that carry a given number of bytes a second."""

import pytest

from jetson_perception.view.pace import EASY_HZ, WANTED_HZ, Pace

SHARES = [1.0, 0.5, 0.17, 0.05]
PICTURE = 400_000
OFFERED_HZ = 30.0


class Link:
    """Two pictures under way at most, of which the link carries one after the other."""

    def __init__(self, carried, delay_s=0.0):
        self.now_s = 0.0
        self.carried, self.delay_s = carried, delay_s
        self.pace = Pace(SHARES, lambda: self.now_s)
        self.taken = []

    def carry(self, seconds):
        """Send pictures for so long, each as soon as there is room; returns how many a second."""
        until_s, count = self.now_s + seconds, len(self.taken)
        while self.now_s < until_s:
            sizes = [int(PICTURE * SHARES[self.pace.level]) for _ in range(2)]
            for size in sizes:
                self.pace.sent(size, PICTURE)
            begun_s = self.now_s
            for size in sizes:
                self.now_s += size / self.carried + self.delay_s / 2
                self.pace.taken()
                self.taken.append(self.pace.level)
            self.now_s = max(self.now_s, begun_s + 2 / OFFERED_HZ)
        return (len(self.taken) - count) / seconds


@pytest.mark.parametrize(
    ('carried', 'level'),
    [
        pytest.param(100e6, 0, id='local'),
        pytest.param(PICTURE * WANTED_HZ * 1.1, 0, id='just_enough'),
        pytest.param(10e6 / 8, 2, id='10_Mbit'),
        pytest.param(PICTURE * 0.5 * WANTED_HZ * 1.1, 1, id='half'),
        pytest.param(1e6 / 8, 3, id='1_Mbit'),
    ],
)
def test_pictures_are_as_large_as_the_link_carries_often_enough(carried, level):
    link = Link(carried)
    link.carry(5.0)
    assert link.pace.level == level
    if level < len(SHARES) - 1:
        assert link.carry(5.0) >= 5.0


def test_they_grow_with_the_link_and_shrink_with_it():
    link = Link(10e6 / 8)
    link.carry(5.0)
    link.carried = 100e6
    link.carry(5.0)
    assert link.pace.level == 0
    link.carried = 10e6 / 8
    link.carry(5.0)
    assert link.pace.level == 2


def test_a_long_link_gets_large_pictures_by_and_by():
    """Small ones do not show what it carries."""
    link = Link(1e6 / 8)
    link.carry(5.0)
    assert link.pace.level == 3
    link.carried, link.delay_s = 50e6, 0.18
    link.carry(60.0)
    assert link.pace.level == 0


def test_what_is_tried_in_vain_is_tried_ever_less():
    link = Link(PICTURE * SHARES[1] * EASY_HZ * 1.02)
    link.carry(600.0)
    assert set(link.taken[100:]) <= {0, 1}
    assert link.taken[100:].count(0) < 0.1 * len(link.taken)


def test_a_viewer_that_takes_nothing_changes_nothing():
    pace = Pace(SHARES)
    pace.sent(10, 10)
    pace.sent(0, 0)
    assert pace.level == 0
