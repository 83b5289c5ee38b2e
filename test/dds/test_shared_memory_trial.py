"""What is taken when nothing comes through shared memory."""

import pytest

from jetson_perception.dds.shared_memory_trial import PATIENCE_S, SharedMemoryTrial


class Clock:
    def __init__(self):
        self.time_s = 100.0

    def __call__(self):
        return self.time_s

    def pass_patience(self):
        self.time_s += PATIENCE_S + 0.1


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def trial(clock):
    return SharedMemoryTrial(clock)


def test_images_through_shared_memory_confirm_it_for_good(trial, clock):
    assert not trial.needs_udp()
    trial.message_arrived()
    assert not trial.needs_udp()
    clock.pass_patience()  # the camera has ended
    assert not trial.needs_udp()


def test_a_camera_that_starts_late_keeps_shared_memory(trial, clock):
    clock.pass_patience()
    assert trial.needs_udp()
    clock.pass_patience()
    assert trial.needs_udp(), 'it is silent by either way'
    assert not trial.failed, 'nothing was sent yet'
    assert not trial.is_over
    trial.message_arrived()
    assert trial.needs_udp(), 'how often images come is not known yet'
    trial.message_arrived()
    assert not trial.needs_udp(), 'UDP works; so may shared memory'
    trial.message_arrived()
    assert not trial.needs_udp()
    assert trial.is_over
    assert not trial.failed
    clock.pass_patience()
    assert not trial.needs_udp()


def test_where_images_come_over_udp_alone_it_stays(trial, clock):
    clock.pass_patience()
    assert trial.needs_udp()
    trial.message_arrived()
    trial.message_arrived()
    assert not trial.needs_udp()
    clock.pass_patience()
    assert trial.needs_udp()
    assert trial.failed
    assert trial.is_over
    trial.message_arrived()
    assert trial.needs_udp()
    clock.pass_patience()
    assert trial.needs_udp()


@pytest.mark.parametrize('period_s', [2.0, 15.0])
@pytest.mark.parametrize('by_shared_memory', [True, False], ids=['by_shared_memory', 'udp_alone'])
def test_a_slow_camera(trial, clock, period_s, by_shared_memory):
    """It is silent for longer than the patience between any two images, whatever their way."""
    over_udp = [trial.needs_udp()]
    for step in range(1, round(8 * period_s / 0.25)):
        clock.time_s += 0.25
        if not step * 0.25 % period_s and (by_shared_memory or over_udp[-1]):
            trial.message_arrived()
        over_udp.append(trial.needs_udp())
        assert not (by_shared_memory and trial.failed)
    assert trial.is_over
    assert trial.failed is not by_shared_memory
    assert over_udp[-1] is not by_shared_memory
