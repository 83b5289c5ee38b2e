"""Engines alone: each in its own thread, all together or strictly one at a time."""

import threading

import pytest
from benchmark.standin_engines import DeviceEngine, DeviceStandIn, HostEngine

from jetson_perception.benchmark.inference import in_turn, together
from jetson_perception.engines.base import CudaEngine

WARM_UP = 3


def test_every_engine_runs_every_frame_in_its_own_thread():
    engines = [HostEngine() for _ in range(3)]
    slowest, each = together(engines, frames=7)
    assert [engine.runs for engine in engines] == [WARM_UP + 7] * 3
    assert len(set.union(*(engine.threads for engine in engines))) == 3
    assert all(len(engine.threads) == 1 for engine in engines)
    assert threading.get_ident() not in engines[0].threads
    assert [one.frames for one in each] == [7] * 3
    assert slowest.rate_hz == min(one.rate_hz for one in each)
    assert not any(thread.name.startswith('engine') for thread in threading.enumerate())


def test_one_after_another_adds_up():
    engines = [HostEngine(), HostEngine()]
    total, each = in_turn(engines, frames=5)
    assert [engine.runs for engine in engines] == [WARM_UP + 5] * 2
    assert total.mean_ms == pytest.approx(sum(one.mean_ms for one in each))
    assert total.median_ms == pytest.approx(sum(one.median_ms for one in each))


def test_only_one_runs_at_a_time():
    running = threading.Lock()

    class Alone(HostEngine):
        def infer(self, tensor):
            assert running.acquire(blocking=False), 'two engines ran at once'
            try:
                return super().infer(tensor)
            finally:
                running.release()

    in_turn([Alone(), Alone(), Alone()], frames=50)


def test_without_a_number_of_frames_the_time_decides():
    engine = HostEngine()
    figures, _ = together([engine], seconds=0.02)
    assert figures.frames >= 4
    assert engine.runs > figures.frames


@pytest.mark.parametrize('measure', [together, in_turn])
def test_an_engine_that_breaks_ends_the_measurement(measure):
    engines = [HostEngine(), HostEngine(fails_at=WARM_UP + 2)]
    with pytest.raises(RuntimeError, match='the engine broke'):
        measure(engines, frames=5)
    assert not any(thread.name.startswith('engine') for thread in threading.enumerate())


def test_an_engine_that_breaks_at_once():
    with pytest.raises(RuntimeError, match='the engine broke'):
        together([HostEngine(fails_at=1), HostEngine()], frames=5)


@pytest.mark.parametrize('in_flight', [1, 2])
def test_an_engine_on_a_gpu_is_fed_ahead(in_flight):
    device = DeviceStandIn()
    engines = [DeviceEngine(device) for _ in range(3)]
    assert all(isinstance(engine, CudaEngine) for engine in engines)
    assert not isinstance(HostEngine(), CudaEngine)
    together(engines, frames=20, in_flight=in_flight)
    for engine in engines:
        assert engine.runs == WARM_UP + 20
        assert engine.stream.done == engine.stream.enqueued
        assert engine.most_in_flight == max(in_flight, WARM_UP)
    assert not device.events


def test_an_engine_on_a_gpu_that_breaks_leaves_nothing_behind():
    class Broken(DeviceEngine):
        def enqueue(self):
            raise RuntimeError('the engine broke')

    device = DeviceStandIn()
    with pytest.raises(RuntimeError, match='the engine broke'):
        together([DeviceEngine(device), Broken(device)], frames=5)
    assert not device.events
    assert device.pushed_by == {}


def test_an_engine_on_a_gpu_is_waited_for_one_after_another():
    device = DeviceStandIn()
    engines = [DeviceEngine(device), DeviceEngine(device)]
    in_turn(engines, frames=10)
    assert [engine.runs for engine in engines] == [WARM_UP + 10] * 2
    assert all(engine.stream.done == engine.stream.enqueued for engine in engines)
