import numpy as np
import pytest

from jetson_perception.depth import DepthImage
from jetson_perception.depth.matching import StampedDepth, StampMatcher

MS = 1_000_000


def depth(stamp_ms, size=1):
    return StampedDepth(stamp_ms * MS, DepthImage(np.zeros((1, size), np.uint16), 0.001))


def matcher(*stamps_ms):
    made = StampMatcher(0.5)
    for each in stamps_ms:
        made.put_depth(depth(each))
    return made


def test_nothing_waits():
    assert matcher(1).take(0, 0.0) is None
    assert matcher().next_deadline_s() is None


@pytest.mark.parametrize('first', ['depth', 'result'])
def test_the_same_stamp_is_taken_at_once(first):
    made = matcher(90, *([100] if first == 'depth' else []))
    made.put_result(100 * MS, 'a', 0.0)
    if first == 'result':
        assert made.take(20 * MS, 0.0) is None
        made.put_depth(depth(100))
    found = made.take(20 * MS, 0.0)
    assert (found.result, found.depth.stamp_ns, found.off_ns) == ('a', 100 * MS, 0)
    assert made.take(20 * MS, 9.0) is None


def test_the_nearest_is_taken_once_a_later_one_has_come():
    made = matcher(70, 90)
    made.put_result(100 * MS, 'a', 0.0)
    assert made.take(20 * MS, 0.0) is None  # the next may be nearer
    made.put_depth(depth(105))
    found = made.take(20 * MS, 0.0)
    assert (found.depth.stamp_ns, found.off_ns) == (105 * MS, 5 * MS)


def test_the_nearest_is_taken_when_no_later_one_comes_in_time():
    made = matcher(90)
    made.put_result(100 * MS, 'a', 3.0)
    assert made.next_deadline_s() == 3.5
    assert made.take(20 * MS, 3.4) is None
    assert made.take(20 * MS, 3.5).off_ns == 10 * MS


@pytest.mark.parametrize(('tolerance_ms', 'is_near'), [(0, False), (9, False), (10, True)])
def test_the_tolerance(tolerance_ms, is_near):
    made = matcher(90, 120)
    made.put_result(100 * MS, 'a', 0.0)
    found = made.take(tolerance_ms * MS, 0.0)
    assert (found.depth is not None, found.off_ns) == (is_near, 10 * MS)


def test_no_depth_at_all():
    made = matcher()
    made.put_result(100 * MS, 'a', 0.0)
    found = made.take(20 * MS, 1.0)
    assert (found.depth, found.off_ns) == (None, None)


def test_results_that_wait_do_not_hold_up_others():
    made = matcher(50)
    made.put_result(100 * MS, 'waits', 0.0)
    made.put_result(50 * MS, 'is there', 0.0)
    assert made.take(0, 0.0).result == 'is there'


def test_memory_is_bounded():
    made = matcher()
    for stamp in range(1000):
        made.put_depth(depth(stamp))
    made.put_result(0, 'old', 0.0)
    assert made.take(0, 0.0).depth is None
    dropped = [made.put_result((5000 + n) * MS, n, 0.0) for n in range(100)]
    assert dropped[-1] is not None

    large = matcher()
    for stamp in range(4):
        large.put_depth(depth(stamp, 32 << 20))  # 64 MiB each
    for stamp, is_kept in enumerate((False, False, True, True)):
        large.put_result(stamp * MS, stamp, 0.0)
        assert (large.take(0, 0.0).depth is not None) == is_kept


def test_clear():
    made = matcher(100)
    made.put_result(100 * MS, 'a', 0.0)
    made.clear()
    assert made.take(0, 9.0) is None


def test_no_depth_as_new_as_the_result_came():
    made = matcher(90, 95)
    made.put_result(100 * MS, 'too_early', 0.0)
    made.put_result(95 * MS, 'exact', 0.0)
    assert not made.take(0, 0.0).is_late
    found = made.take(0, 0.5)
    assert (found.result, found.off_ns, found.is_late) == ('too_early', 5 * MS, True)
    made.put_depth(depth(130))
    made.put_result(100 * MS, 'between', 1.0)
    assert not made.take(0, 1.0).is_late


def test_after_a_jump_back_results_wait_for_their_depth():
    """As when a recording starts again, or a clock is set."""
    made = matcher(9000, 9033, 9066)
    made.put_depth(depth(1000))
    made.put_result(1033 * MS, 'a', 0.0)
    assert made.take(20 * MS, 0.0) is None
    made.put_depth(depth(1033))
    assert made.take(20 * MS, 0.0).off_ns == 0


def test_depth_that_comes_out_of_order_is_no_jump():
    made = matcher(1000, 1066, 1033)
    for each in (1000, 1033, 1066):
        made.put_result(each * MS, each, 0.0)
        assert made.take(0, 0.0).off_ns == 0
