import pytest

from jetson_perception.camera.pace import Pacer


class StandInClock:
    """A stand-in for a clock and for the event that is waited on: waiting moves the clock."""

    def __init__(self) -> None:
        self.now_s = 0.0
        self.waited_s: list[float] = []

    def __call__(self) -> float:
        return self.now_s

    def wait(self, timeout_s: float) -> bool:
        assert timeout_s > 0
        self.waited_s.append(round(timeout_s, 6))
        self.now_s += timeout_s
        return False


@pytest.mark.parametrize(
    ('work_s', 'waits_s'),
    [
        pytest.param([0.0] * 4, [0.1, 0.1, 0.1], id='no_work'),
        pytest.param([0.04] * 4, [0.06, 0.06, 0.06], id='work_within_the_period'),
        pytest.param([0.0, 0.15, 0.0, 0.0], [0.05, 0.1], id='one_late_frame_is_caught_up'),
        pytest.param([0.0, 0.5, 0.0, 0.0], [0.1, 0.1], id='a_long_stop_is_not'),
        pytest.param([0.25] * 4, [], id='too_slow'),
    ],
)
def test_waits(work_s, waits_s):
    clock = StandInClock()
    pacer = Pacer(10.0, clock)
    for seconds in work_s:
        clock.now_s += seconds
        pacer.wait(clock)
    assert clock.waited_s == waits_s


def test_rate_zero_never_waits():
    clock = StandInClock()
    pacer = Pacer(0, clock)
    for _ in range(5):
        pacer.wait(clock)
    assert clock.waited_s == []


@pytest.mark.parametrize(
    ('work_s', 'gaps_s', 'waits_s', 'late_s'),
    [
        pytest.param([0, 0, 0], [1, 0.02, 0.5], [0.02, 0.5], [0, 0, 0], id='as_they_are'),
        pytest.param(
            [0, 0.05, 0, 0], [1, 0.01, 0.01, 0.5], [0.47], [0, 0.04, 0.03, 0], id='caught_up'
        ),
        pytest.param([0, 0, 0], [1, 0, 0], [], [0, 0, 0], id='at_once'),
        pytest.param([0, 0.3, 0], [1, 0.1, 0.1], [0.1], [0, 0, 0], id='a_long_stop_is_not'),
    ],
)
def test_gaps_of_the_frames(work_s, gaps_s, waits_s, late_s):
    clock = StandInClock()
    pacer = Pacer(30.0, clock)
    late = []
    for seconds, gap_s in zip(work_s, gaps_s, strict=True):
        clock.now_s += seconds
        late.append(pacer.wait(clock, gap_s))
    assert clock.waited_s == pytest.approx(waits_s)
    assert late == pytest.approx(late_s)
