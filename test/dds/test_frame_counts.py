"""Counting what was sent and never taken: by numbers, by stamps, and what the middleware says."""

import random

import pytest

from jetson_perception.dds.frame_counts import (
    Counted,
    FrameCounts,
    NumberedFrames,
    StampedFrames,
)

MS = 1_000_000
PERIOD_NS = 33 * MS


def missing_by_number(*frames):
    """Missing before any of some (number, sent at so many periods)."""
    counter = NumberedFrames()
    return sum(counter.take(number, round(at * PERIOD_NS)) for number, at in frames)


def sent(numbers, begin=0.0):
    """Frames of a publisher that sends each period, of which these numbers came."""
    return [(number, begin + number) for number in numbers]


def merged(*publishers):
    return sorted((frame for frames in publishers for frame in frames), key=lambda frame: frame[1])


class TestByNumber:
    @pytest.mark.parametrize(
        ('frames', 'missing'),
        [
            pytest.param([], 0, id='none'),
            pytest.param(sent([17]), 0, id='the_first_that_is_heard_is_no_loss'),
            pytest.param(sent(range(1, 100)), 0, id='all'),
            pytest.param(sent([1, 2, 5, 6, 10]), 5, id='gaps'),
            pytest.param(sent([1, *range(2, 200, 10)]), 171, id='nine_of_ten'),
            pytest.param(sent([*range(1, 50), *range(200, 250)]), 150, id='a_link_was_down'),
            pytest.param(sent(range(1, 50)) + sent(range(1, 50), 60), 0, id='started_again'),
            pytest.param(
                sent(range(1, 50)) + sent([3, 4, 7, *range(60, 90)], 160),
                54,
                id='again_and_losses',
            ),
            pytest.param(
                merged(sent(range(1, 100)), sent(range(5001, 5100), -4999.5)),
                0,
                id='two_publishers',
            ),
            pytest.param(
                merged(sent(range(1, 100)), sent(range(1, 100), 0.5)), 0, id='two_begun_together'
            ),
            pytest.param(
                merged(sent(range(1, 100)), sent(range(5001, 5100, 2), -4999.5)),
                49,
                id='two_one_of_which_is_lost',
            ),
            pytest.param(
                [(number, number * (1 if number < 30 else 4)) for number in range(1, 90)],
                0,
                id='slows_down_by_itself',
            ),
            pytest.param(
                [(number, number * 4) for number in range(1, 30)]
                + [(number, 120 + number - 30) for number in range(30, 90)],
                0,
                id='becomes_faster',
            ),
            pytest.param(
                [*sent(range(1, 60)), (90, 59.5), (91, 61), (130, 62), (131, 63), (132, 64)],
                0,
                id='a_burst_that_cannot_be_told_from_another_publisher',
            ),
            pytest.param(
                merged(sent(range(1, 400)), sent([*range(5001, 5150), 5400], -4999.5)),
                250,
                id='one_of_two_is_silent_for_long',
            ),
        ],
    )
    def test_missing(self, frames, missing):
        assert missing_by_number(*frames) == missing

    @pytest.mark.parametrize('seed', range(20))
    def test_more_is_never_missing_than_was_sent(self, seed):
        """A camera on a busy machine catches up by sending many at once."""
        chance = random.Random(seed)
        frames, at = [], 0.0
        for number in range(1, 3000):
            at += chance.choice([0.02, 0.02, 1.0, 8.0])
            if chance.random() < 0.3:
                frames.append((number, at))
        assert missing_by_number(*frames) <= frames[-1][0] - len(frames)

    def test_who_sends_now_whatever_their_clocks_say(self):
        counter = NumberedFrames()
        for number in range(1, 90):
            at_ns = number * PERIOD_NS
            counter.take(number, at_ns, b'a', at_ns)
            counter.take(number, at_ns + 60_000 * MS, b'b', at_ns)
            assert counter.senders == min(number * 2, 2)

    def test_who_sent_a_frame_settles_it(self):
        """Whatever the rate, and whichever numbers others have."""
        counter = NumberedFrames()
        frames = [(1, b'a'), (2, b'a'), (3, b'b'), (3, b'a'), (103, b'a'), (104, b'b'), (4, b'b')]
        missing = [counter.take(number, at * MS, gid) for at, (number, gid) in enumerate(frames)]
        assert missing == [0, 0, 0, 0, 99, 100, 0]
        assert counter.senders == 2

    def test_the_rate_is_the_senders_whatever_is_lost(self):
        counter = NumberedFrames()
        kept = random.Random(1)
        for number in range(1, 300):
            if kept.random() < 0.2:
                counter.take(number, number * PERIOD_NS)
        assert counter.rate_hz == pytest.approx(1e9 / PERIOD_NS)

    @pytest.mark.parametrize(
        ('frames', 'senders'),
        [
            pytest.param([], 0, id='none'),
            pytest.param(sent(range(1, 20)), 1, id='one'),
            pytest.param(sent([1, 2, 3, 9, 12, 13]), 1, id='one_that_loses'),
            pytest.param(merged(sent(range(1, 90)), sent(range(1, 60), 30.5)), 2, id='two'),
            pytest.param(
                merged(sent(range(1, 90)), sent(range(1, 200), 120.5)), 1, id='one_after_another'
            ),
        ],
    )
    def test_who_sends_now(self, frames, senders):
        counter = NumberedFrames()
        for number, at in frames:
            counter.take(number, round(at * PERIOD_NS))
        assert counter.senders == senders


def missing_by_stamp(*at):
    counter = StampedFrames()
    return sum(counter.take(round(each * PERIOD_NS)) for each in at)


class TestByStamp:
    @pytest.mark.parametrize(
        ('at', 'missing'),
        [
            pytest.param([], 0, id='none'),
            pytest.param(range(100), 0, id='all'),
            pytest.param([*range(20), *range(23, 40)], 3, id='a_gap'),
            pytest.param([*range(20), *range(20, 200, 2)], 0, id='slows_down_by_itself'),
            pytest.param(
                [*range(20), *range(20, 400, 4), *range(400, 440)], 0, id='slow_for_a_while'
            ),
            pytest.param([*range(30), *range(30)], 0, id='the_clock_goes_back'),
            pytest.param([0] * 30, 0, id='no_stamps'),
            pytest.param([each * 1.0 + 0.2 * (each % 2) for each in range(99)], 0, id='jitter'),
        ],
    )
    def test_missing(self, at, missing):
        assert missing_by_stamp(*at) == missing

    def test_a_third_lost_at_random(self):
        kept = random.Random(2)
        at = [each for each in range(300) if kept.random() < 0.67]
        missing = 300 - len(at)
        assert missing_by_stamp(*at) == pytest.approx(missing, abs=4)


def counts(numbers, told=None, **options):
    made = FrameCounts(**options)
    for number in numbers:
        made.take(number, number * PERIOD_NS, number * PERIOD_NS)
    if told is not None:
        made.lost_on_the_way(told)
    return made


class TestFrameCounts:
    def test_nothing(self):
        made = FrameCounts()
        assert (made.total, made.recent, made.rate_hz) == (Counted(), Counted(), 0.0)
        assert made.total.share_lost == 0.0
        assert not made.total.is_worth_a_word

    def test_what_the_middleware_did_not_lose_was_lost_here(self):
        assert counts([1, 2, 13, 14], told=4).total == Counted(4, 10, 6)

    def test_nobody_knows_where_if_it_does_not_say(self):
        assert counts([1, 2, 13, 14]).total == Counted(4, 10, 0)

    def test_all_may_be_lost(self):
        made = counts([], told=9)
        assert made.total == Counted(0, 9, 0)
        assert made.total.share_lost == 1.0
        assert made.total.is_worth_a_word

    def test_without_numbers_stamps_count(self):
        made = FrameCounts()
        for at in [*range(20), *range(25, 40)]:
            made.take(None, 0, at * PERIOD_NS)
        assert made.total == Counted(35, 5, 0)
        assert made.rate_hz == pytest.approx(1e9 / PERIOD_NS)

    def test_the_last_seconds_alone(self):
        made = counts([1, 2, 13], seconds=2)
        made.second_passed()
        assert made.recent == Counted(3, 10, 0)
        made.second_passed()
        made.take(14, 14 * PERIOD_NS, 0)
        assert made.recent == Counted(4, 10, 0)
        made.second_passed()
        assert made.recent == Counted(1, 0, 0)
        assert made.total == Counted(4, 10, 0)

    def test_what_is_lost_after_the_newest(self):
        made = counts([1, 2, 13], told=2, seconds=4)
        assert made.after_the_newest == Counted(), 'it has just come'
        made.second_passed()
        assert made.recent == Counted(3, 10, 8)
        assert made.after_the_newest == Counted(), 'what was lost before it does not count'
        made.lost_on_the_way(7)
        made.second_passed()
        assert made.after_the_newest == Counted(0, 5, 0)
        made.take(14, 14 * PERIOD_NS, 0)
        assert made.after_the_newest == Counted()

    def test_a_publisher_that_is_discovered_again_has_not_lost_all_that_it_ever_sent(self):
        """Fast DDS counts so; how many can be lost is known by the time since the newest frame."""
        now_ns = 0
        made = FrameCounts(now_ns=lambda: now_ns)
        for number in range(5000, 5010):
            made.take(number, number * PERIOD_NS, 0)
        made.lost_on_the_way(0)
        now_ns = 10 * PERIOD_NS
        made.lost_on_the_way(5020)
        assert made.total.received == 10
        assert 10 <= made.total.lost <= 50
        made.take(5021, 5021 * PERIOD_NS, 0)
        lost = made.total.lost
        made.lost_on_the_way(5020)
        assert made.total.lost == lost
        made.lost_on_the_way(5022)
        assert lost <= made.total.lost <= lost + 2

    def test_between_two_subscriptions_nothing_is_missing(self):
        made = counts([1, 2, 5], told=2)
        made.begin_anew()
        for number in (50, 51, 54):
            made.take(number, number * PERIOD_NS, 0)
        made.lost_on_the_way(1)
        assert made.total == Counted(6, 4, 1)

    def test_numbers_before_a_new_publisher_was_seen_are_not_missing(self):
        made = counts([1, 2, 5])
        made.second_passed()
        for number in (40, 41):
            made.take(number, number * PERIOD_NS, 0)
        assert made.total == Counted(5, 36, 0)
        made.publishers_changed()
        for number in (42, 43, 46):
            made.take(number, number * PERIOD_NS, 0)
        assert made.total == Counted(8, 4, 0), 'the other two are lost'

    def test_a_pause_between_two_publishers_is_no_gap_in_their_stamps(self):
        made = FrameCounts()
        for at in [*range(20)]:
            made.take(None, 0, at * PERIOD_NS)
        made.publishers_changed()
        for at in [*range(40, 60)]:
            made.take(None, 0, at * PERIOD_NS)
        assert made.total == Counted(40, 0, 0)
