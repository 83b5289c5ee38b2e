"""Lanes on a GPU's stand-in: two frames in flight, in order, and nothing ends a lane but a GPU."""

import queue
import threading

import numpy as np
import pytest
from pipeline.standin_device_path import StandInPath
from pipeline.waiting import DEADLINE_S, wait_until
from tracing.recordings import recorded

from jetson_perception.cuda.binding import BINDING
from jetson_perception.errors import CudaError, ImageError, ModelError
from jetson_perception.pipeline import (
    Counts,
    CudaLane,
    EveryFrame,
    Frame,
    Lane,
    Pipeline,
    make_lane,
)
from jetson_perception.pipeline.cuda_lane import Clock
from jetson_perception.pipeline.frame import TensorPool

FATAL = CudaError('an illegal memory access; start the process again', fatal=True)


class FakeClock(Clock):
    """Stands still, but for what a test or a lane that waits adds."""

    def __init__(self):
        self.time_ns = 10**9
        self.waits_ms = []
        self.looks_ms = []
        self.coming = []

    def now_ns(self):
        return self.time_ns

    def pass_time(self, slot, seconds):
        self.waits_ms.append(round(seconds * 1e3, 3))
        self.time_ns += round(seconds * 1e9)

    def next_frame(self, slot, seconds):
        self.looks_ms.append(round(seconds * 1e3, 3))
        self.time_ns += round(seconds * 1e9)
        return self.coming.pop(0) if self.coming else None


class Published:
    """What lanes published, for a test to wait for."""

    def __init__(self):
        self.results = queue.Queue()

    def __call__(self, frame, result):
        self.results.put((frame.header, result))

    def next(self):
        return self.results.get(timeout=DEADLINE_S)


class OnTheCpu:
    """A model that gives back a frame's number."""

    input_key = 'cpu'
    device_path = None

    def bind_thread(self):
        pass

    def interrupt(self):
        pass

    def preprocess(self, bgr, out=None):
        return bgr, None

    def infer(self, tensor):
        return [tensor]

    def postprocess(self, outputs, transform, options=None):
        return int(outputs[0][0, 0, 0])


class Setup:
    """Paths, lanes and pipelines of one test, closed however it ends."""

    def __init__(self, standin, device):
        self.standin, self.device = standin, device
        self.paths, self.pipelines = [], []

    def path(self, **options):
        self.paths.append(StandInPath(self.standin, self.device, **options))
        return self.paths[-1]

    def lane(self, path, name='det', **options):
        options.setdefault('publish', Published())
        options.setdefault('on_error', lambda error: None)
        return CudaLane(name, OnTheCpu(), path=path, **options)

    def start(self, *lanes, **options):
        pipeline = Pipeline(lanes, **options)
        self.pipelines.append(pipeline)
        pipeline.start()
        return pipeline

    def close(self):
        for path in self.paths:
            path.go.set()
        for pipeline in self.pipelines:
            pipeline.close()
        for path in self.paths:
            path.close()


@pytest.fixture
def setup(standin, device):
    before = set(threading.enumerate())
    made = Setup(standin, device)
    yield made
    made.close()
    assert set(threading.enumerate()) <= before


def frame(number):
    """A frame whose width, pixels, header and results are its number."""
    return Frame(lambda: np.full((2, number, 3), number, np.uint8), header=number, age_ms=1.5)


def offer_all_taken(pipeline, *frames):
    """Offer frames, each when every lane has taken the one before."""
    for each in frames:
        for lane in pipeline.lanes:
            assert lane.slot.wait_until_taken(DEADLINE_S)
        pipeline.offer(each)


def script(lane, *frames):
    """Have the lane find a frame whenever it looks, whatever the pace of the threads."""
    waiting = list(frames)
    for each in waiting:
        each.share(each.header, 1, TensorPool())
    lane.slot.take = lane.slot.poll = lambda *_: waiting.pop(0) if waiting else None
    return waiting


def test_a_frame_goes_through_and_its_stages_are_timed_on_the_gpu(setup):
    lane = setup.lane(setup.path(inference_ms=2.0))
    pipeline = setup.start(lane)
    pipeline.offer(frame(3))
    assert lane.publish.next() == (3, 3)
    wait_until(lambda: lane.counts == Counts(received=1, processed=1))
    pipeline.close()
    summary = lane.times.summary()
    assert list(summary) == [
        'transport',
        'wait',
        'upload',
        'preprocess',
        'inference',
        'postprocess',
        'publish',
        'total',
    ]
    assert summary['inference'].median_ms == pytest.approx(2.0)
    assert {stage.samples for stage in summary.values()} == {1}


def test_a_trace_has_the_times_of_the_gpu_on_tracks_of_their_own(setup):
    with recorded() as trace:
        lane = setup.lane(setup.path(inference_ms=2.0))
        pipeline = setup.start(lane)
        traced = frame(3)
        traced.stamp_ns = 77
        pipeline.offer(traced)
        lane.publish.next()
        wait_until(lambda: lane.counts.processed)
        pipeline.close()  # the GPU's times of the input come when its slot is free
        spans = {span.stage: span for span in trace().spans if span.frame == 77}
    assert {stage: span.track for stage, span in spans.items()} == {
        'transport': 'input',
        'receive': 'main thread',
        'wait': 'lane det: waiting',
        'upload': 'lane det: GPU input',
        'preprocess': 'lane det: GPU input',
        'inference': 'lane det: GPU',
        'postprocess': 'lane det: GPU',
        'publish': 'lane det: publishing',
        'total': 'lane det: frames',
    }
    assert spans['inference'].ms == pytest.approx(2.0)
    assert spans['inference'].ended_ns == spans['postprocess'].begun_ns
    assert spans['upload'].ended_ns == spans['preprocess'].begun_ns > spans['wait'].begun_ns


def test_results_are_refined_in_order_and_one_that_cannot_be_fails_its_frame_alone(setup):
    errors, seen = [], []
    lane = setup.lane(setup.path(), on_error=errors.append)

    def refine(frame, result):
        seen.append(result)
        if result == 2:
            raise ValueError('no track')
        return result + 100

    lane.refine = refine
    pipeline = setup.start(lane, policy=EveryFrame())
    for number in (1, 2, 3):
        pipeline.offer(frame(number))
    assert [lane.publish.next(), lane.publish.next()] == [(1, 101), (3, 103)]
    wait_until(lambda: lane.counts == Counts(received=3, processed=2, failed=1))
    assert seen == [1, 2, 3]
    assert 'unexpected ValueError: no track' in str(errors[0])
    assert lane.times.summary()['refine'].samples == 2
    assert not lane.activity.describe()


def test_a_model_with_a_device_path_gets_a_lane_on_the_gpu(setup):
    class Model:
        device_path = setup.path()

    assert isinstance(make_lane('det', Model(), Published()), CudaLane)
    Model.device_path = None
    assert type(make_lane('det', Model(), Published())) is Lane


def test_every_frame_in_order_behind_engines_of_unequal_speed(setup):
    """Far more wait than there are slots on the GPU: the fast lane then waits for the slow one."""
    fast, slow = setup.path(), setup.path()
    slow.go.clear()
    lanes = [setup.lane(fast, 'fast'), setup.lane(slow, 'slow')]
    settled = queue.Queue()
    pipeline = setup.start(*lanes, on_settled=settled.put, policy=EveryFrame())
    for number in range(1, 31):
        pipeline.offer(frame(number))
    assert lanes[0].publish.next() == (1, 1)
    slow.go.set()
    headers = [settled.get(timeout=DEADLINE_S).header for _ in range(30)]
    assert headers == list(range(1, 31))
    wait_until(lambda: all(lane.counts == Counts(30, 30) for lane in lanes))


def test_close_with_more_frames_than_slots_ends(setup):
    fast, slow = setup.path(), setup.path()
    slow.go.clear()
    lanes = [setup.lane(fast, 'fast'), setup.lane(slow, 'slow')]
    pipeline = setup.start(*lanes, policy=EveryFrame())
    for number in range(1, 31):
        pipeline.offer(frame(number))
    assert lanes[0].publish.next() == (1, 1)
    closing = threading.Thread(target=pipeline.close)
    closing.start()
    assert lanes[1].slot.wait_until_closed(DEADLINE_S)
    slow.go.set()
    closing.join(DEADLINE_S)
    assert not closing.is_alive()


def test_frames_that_wait_keep_two_in_flight_in_order(setup):
    path = setup.path()
    lane = setup.lane(path)
    pipeline = setup.start(lane)
    offer_all_taken(pipeline, *(frame(number) for number in range(1, 41)))
    assert [lane.publish.next() for _ in range(40)] == [(n, n) for n in range(1, 41)]
    assert path.most_in_flight <= 2
    begun = [number for what, number in path.log if what == 'begin']
    finished = [number for what, number in path.log if what == 'finish']
    assert begun == finished == list(range(1, 41))


def test_the_next_frame_is_begun_before_the_last_one_is_waited_for(setup):
    path = setup.path()
    lane = setup.lane(path)
    script(lane, frame(1), frame(2), frame(3))
    setup.start(lane)
    assert [lane.publish.next()[1] for _ in range(3)] == [1, 2, 3]
    assert path.log == [
        ('begin', 1),
        ('begin', 2),
        ('finish', 1),
        ('begin', 3),
        ('finish', 2),
        ('finish', 3),
    ]


def test_a_frame_that_waits_for_a_busy_engine_is_uploaded_meanwhile(setup):
    path = setup.path(held=True)
    lane = setup.lane(path)
    pipeline = setup.start(lane)
    pipeline.offer(frame(1))
    path.wait_until_waited_for()
    waiting, threads = frame_that_tells_its_thread(2)
    pipeline.offer(waiting)
    wait_until(lambda: threads)
    assert threads == ['upload']
    path.go.set()
    assert [lane.publish.next() for _ in range(2)] == [(1, 1), (2, 2)]


@pytest.mark.parametrize(
    ('expected_ms', 'options'),
    [
        pytest.param(30, {}, id='for_a_slow_engine_newer_ones_come_first'),
        pytest.param(0, {'policy': EveryFrame()}, id='many_may_wait'),
        pytest.param(0, {'inputs': 2}, id='another_input_may_have_its_turn'),
    ],
)
def test_a_frame_that_may_wait_long_is_not_uploaded_ahead(setup, expected_ms, options):
    path = setup.path(held=True)
    lane = setup.lane(path)
    lane.expected.ms = expected_ms
    pipeline = setup.start(lane, **options)
    pipeline.offer(frame(1))
    path.wait_until_waited_for()
    waiting, threads = frame_that_tells_its_thread(2)
    pipeline.offer(waiting)
    path.go.set()
    assert [lane.publish.next() for _ in range(2)] == [(1, 1), (2, 2)]
    assert threads == ['lane det']


def frame_that_tells_its_thread(number):
    """A frame, and the names of the threads that loaded it."""
    threads = []

    def load():
        threads.append(threading.current_thread().name)
        return np.full((2, number, 3), number, np.uint8)

    return Frame(load, header=number), threads


def test_a_slow_lane_holds_no_other_back(setup):
    slow_path, fast_path = setup.path(held=True), setup.path()
    slow, fast = setup.lane(slow_path, 'slow'), setup.lane(fast_path, 'fast')
    pipeline = setup.start(slow, fast)
    pipeline.offer(frame(1))
    assert slow_path.wait_until_begun() == 1
    assert fast.publish.next() == (1, 1)
    for number in range(2, 30):
        pipeline.offer(frame(number))
        assert fast.publish.next() == (number, number)
    assert slow.publish.results.empty()
    slow_path.go.set()
    came = [slow.publish.next()]
    while came[-1] != (29, 29):
        came.append(slow.publish.next())
    # The first, perhaps one that was enqueued behind it, and the newest.
    assert came[0] == (1, 1)
    assert len(came) <= 3
    wait_until(lambda: fast.counts.processed == 29 and slow.counts.processed == len(came))
    assert slow.counts == Counts(29, processed=len(came), skipped=29 - len(came))


def test_lanes_on_the_gpu_and_on_the_cpu_run_side_by_side(setup):
    published = Published()
    on_gpu = setup.lane(setup.path())
    pipeline = setup.start(on_gpu, Lane('cpu', OnTheCpu(), published))
    pipeline.offer(frame(4))
    assert on_gpu.publish.next() == published.next() == (4, 4)


def test_options_are_read_for_every_frame(setup):
    options = {'value': 'low'}
    lane = setup.lane(setup.path(), options=lambda: options['value'])
    pipeline = setup.start(lane)
    pipeline.offer(frame(1))
    assert lane.publish.next() == (1, (1, 'low'))
    options['value'] = 'high'
    pipeline.offer(frame(2))
    assert lane.publish.next() == (2, (2, 'high'))


@pytest.mark.parametrize('stage', ['begin', 'enqueue', 'finish'])
@pytest.mark.parametrize(
    ('raised', 'told'),
    [
        pytest.param(ModelError('the engine gave up'), 'the engine gave up', id='model'),
        pytest.param(CudaError('out of memory'), 'out of memory', id='cuda'),
        pytest.param(
            ZeroDivisionError('x'), 'det: unexpected ZeroDivisionError: x', id='unexpected'
        ),
    ],
)
def test_a_failed_frame_is_counted_and_reported_and_the_others_come(setup, stage, raised, told):
    errors, settled = [], queue.Queue()
    path = setup.path()
    path.raises = {(stage, 2): raised}
    lane = setup.lane(path, on_error=errors.append)
    pipeline = setup.start(
        lane, on_settled=lambda frame: settled.put((frame.header, frame.results['det']))
    )
    offer_all_taken(pipeline, *(frame(number) for number in (1, 2, 3, 4)))
    assert [lane.publish.next()[1] for _ in range(3)] == [1, 3, 4]
    assert [settled.get(timeout=DEADLINE_S) for _ in range(4)] == [
        (1, 1),
        (2, None),
        (3, 3),
        (4, 4),
    ]
    assert [str(error) for error in errors] == [told]
    assert lane.counts == Counts(received=4, processed=3, failed=1)


def test_an_image_that_cannot_be_loaded_fails_in_every_lane_and_the_next_runs(setup):
    def load():
        raise ImageError('image is 0×0')

    errors = []
    lanes = [setup.lane(setup.path(), name, on_error=errors.append) for name in ('a', 'b')]
    pipeline = setup.start(*lanes)
    pipeline.offer(Frame(load, header=1))
    wait_until(lambda: all(lane.counts.failed == 1 for lane in lanes))
    pipeline.offer(frame(2))
    assert [lane.publish.next() for lane in lanes] == [(2, 2), (2, 2)]
    assert [str(error) for error in errors] == ['image is 0×0'] * 2


@pytest.mark.parametrize('stage', ['begin', 'finish'])
@pytest.mark.parametrize('engine_says', [FATAL, ModelError('CUDA failure 700')])
def test_a_fatal_gpu_error_stops_its_lane_and_the_other_continues(setup, stage, engine_says):
    stopped, errors = queue.Queue(), []
    path = setup.path()
    path.raises, path.fatal = {(stage, 2): engine_says}, FATAL
    lane, other = setup.lane(path, on_error=errors.append), setup.lane(setup.path(), 'other')
    pipeline = setup.start(
        lane, other, on_stopped=lambda lane, error: stopped.put((lane.name, error))
    )
    offer_all_taken(pipeline, frame(1), frame(2))
    assert stopped.get(timeout=DEADLINE_S) == ('det', FATAL)
    pipeline.offer(frame(3))
    pipeline.offer(frame(4))
    while other.publish.next() != (4, 4):
        pass
    assert lane.publish.next() == (1, 1)
    assert lane.publish.results.empty()
    counts = lane.counts
    assert (counts.received, counts.processed, counts.failed + counts.skipped) == (4, 1, 3)
    assert errors[0] is engine_says
    assert stopped.empty()


def test_of_two_frames_in_flight_when_the_gpu_fails_both_are_settled(setup):
    settled = queue.Queue()
    path = setup.path()
    path.raises = {('finish', 1): FATAL}
    lane = setup.lane(path)
    waiting = script(lane, frame(1), frame(2), frame(3))
    setup.start(lane, on_settled=lambda frame: settled.put((frame.header, frame.results['det'])))
    assert [settled.get(timeout=DEADLINE_S) for _ in range(2)] == [(1, None), (2, None)]
    assert [each.header for each in waiting] == [3]
    wait_until(lambda: lane.counts.failed == 2)
    # The stand-in's own bookkeeping: the second frame was enqueued and nobody waits for it.
    setup.device.synchronize()


def test_close_with_two_frames_in_flight_brings_the_results_of_both(setup):
    path = setup.path(held=True)
    lane = setup.lane(path)
    script(lane, frame(1), frame(2))
    pipeline = setup.start(lane)
    assert [path.wait_until_begun() for _ in range(2)] == [1, 2]
    closing = threading.Thread(target=pipeline.close)
    closing.start()
    assert lane.slot.wait_until_closed(DEADLINE_S)
    path.go.set()
    closing.join(DEADLINE_S)
    assert not closing.is_alive()
    assert [lane.publish.next() for _ in range(2)] == [(1, 1), (2, 2)]
    assert lane.publish.results.empty()


def test_close_without_any_frame(setup):
    lane = setup.lane(setup.path())
    pipeline = setup.start(lane)
    pipeline.close()
    pipeline.offer(frame(1))
    assert lane.counts == Counts(received=1, skipped=1)


def test_every_lane_is_bound_in_its_own_thread_before_any_frame_begins(setup):
    first_bound, go_on = threading.Event(), threading.Event()
    quick, late = setup.path(), setup.path()
    bind = late.bind_thread

    def bind_late():
        assert go_on.wait(DEADLINE_S)
        bind()

    late.bind_thread = bind_late
    lanes = [setup.lane(quick, 'quick'), setup.lane(late, 'late')]
    pipeline = Pipeline(lanes)
    setup.pipelines.append(pipeline)
    starting = threading.Thread(target=lambda: (pipeline.start(), first_bound.set()))
    starting.start()
    wait_until(lambda: quick.bound)
    pipeline.offer(frame(1))
    assert not first_bound.is_set()
    assert quick.begun.empty()
    go_on.set()
    assert first_bound.wait(DEADLINE_S)
    starting.join(DEADLINE_S)
    assert [lane.publish.next() for lane in lanes] == [(1, 1), (1, 1)]
    assert (quick.bound, late.bound) == (['lane quick'], ['lane late'])


def test_a_lane_that_cannot_begin_keeps_all_from_beginning_and_leaves_no_thread(setup):
    poor, fine = setup.path(), setup.path()
    poor.raises = {('bind', 0): ModelError('the graph cannot be captured')}
    stopped = []
    with pytest.raises(ModelError, match='graph cannot be captured'):
        setup.start(
            setup.lane(fine, 'fine'),
            setup.lane(poor, 'poor'),
            on_stopped=lambda *args: stopped.append(args),
        )
    assert not [thread for thread in threading.enumerate() if 'lane' in thread.name]
    assert not stopped


def test_a_pipeline_can_be_restarted_with_the_same_models(setup):
    path = setup.path()
    for round_ in range(3):
        lane = setup.lane(path, f'round{round_}')
        pipeline = setup.start(lane)
        pipeline.offer(frame(6))
        assert lane.publish.next() == (6, 6)
        pipeline.close()
    assert path.bound == [f'lane round{round_}' for round_ in range(3)]


class TestWhenTheNextFrameIsTaken:
    """With a clock that only the lane moves."""

    @staticmethod
    def run_lane(setup, frames, inference_ms, took_ms=0.0):
        """Waits before each frame but the first, of a lane that always finds one waiting."""
        path, clock = setup.path(inference_ms=inference_ms), FakeClock()
        lane = setup.lane(path, clock=clock)
        finish = path.finish

        def finish_after_a_while(work):
            clock.time_ns += round(took_ms * 1e6)
            return finish(work)

        path.finish = finish_after_a_while
        script(lane, *(frame(number + 1) for number in range(frames)))
        setup.start(lane)
        for _ in range(frames):
            lane.publish.next()
        return clock.waits_ms

    def test_behind_a_fast_engine_at_once(self, setup):
        assert self.run_lane(setup, frames=50, inference_ms=2.0) == []

    def test_behind_a_slow_engine_when_it_is_nearly_done(self, setup):
        waits_ms = self.run_lane(setup, frames=200, inference_ms=50.0)
        # 0.8 of an inference, less 2 ms; the lane comes to expect 50 ms by and by.
        assert waits_ms == sorted(waits_ms)
        assert waits_ms[-1] == pytest.approx(38.0, abs=0.1)

    def test_the_wait_counts_from_the_end_of_the_previous_inference(self, setup):
        waits_ms = self.run_lane(setup, frames=200, inference_ms=50.0, took_ms=10.0)
        # The engine is free for the next frame when the last is done, and that is the begin.
        assert waits_ms[-1] == pytest.approx(38.0, abs=0.1)

    def test_a_frame_that_comes_while_the_engine_runs_is_begun_behind_it(self, setup):
        path, clock = setup.path(inference_ms=4.0), FakeClock()
        lane = setup.lane(path, clock=clock)
        lane.expected.ms = 4.0
        first, second = frame(1), frame(2)
        for each in (first, second):
            each.share(each.header, 1, TensorPool())
        clock.coming.append(second)
        waiting = [first]
        lane.slot.take = lambda *_: waiting.pop(0) if waiting else None
        lane.slot.poll = lambda: None
        setup.start(lane)
        assert [lane.publish.next()[1] for _ in range(2)] == [1, 2]
        assert path.log[:3] == [('begin', 1), ('begin', 2), ('finish', 1)]
        # 0.8 of an inference less 2 ms pass first; then frames are looked for until 0.9 of it.
        assert clock.waits_ms[0] == pytest.approx(1.2)
        assert clock.looks_ms[0] == pytest.approx(2.4)

    def test_no_frame_is_looked_for_once_the_engine_should_be_done(self, setup):
        path, clock = setup.path(inference_ms=4.0), FakeClock()
        lane = setup.lane(path, clock=clock)
        lane.expected.ms = 4.0
        begin = path.begin

        def begin_slowly(*args):
            clock.time_ns += 5_000_000
            return begin(*args)

        path.begin = begin_slowly
        script(lane, frame(1))
        setup.start(lane)
        assert lane.publish.next() == (1, 1)
        assert clock.waits_ms == clock.looks_ms == []


class TestHangs:
    """A GPU whose event never comes; the end of each test lets it."""

    def test_an_event_that_never_comes_is_reported_and_abandoned(self, setup):
        published, errors, path = Published(), [], setup.path(held=True)
        lane = setup.lane(path, publish=published, on_error=errors.append)
        pipeline = setup.start(lane)
        pipeline.offer(frame(1))
        assert path.wait_until_begun() == 1
        assert 'engine det: an inference has not returned since' in lane.activity.describe()
        left = pipeline.close(patience_s=0.05)
        assert 'engine det: an inference' in left.at_work()
        assert pipeline._device_frames[0]._slots, 'nothing is released under the GPU'
        path.go.set()
        wait_until(left.settle)
        assert not pipeline._device_frames[0]._slots
        assert published.results.empty()
        assert errors == []

    def test_the_next_frame_is_timed_from_the_end_of_the_one_before(self, setup):
        path = setup.path()
        lane = setup.lane(path)
        begun = []
        begin = lane.activity.begin
        lane.activity.begin = lambda *args, **options: (
            begun.append(args) or begin(*args, **options)
        )
        path.raises = {('finish', 2): ModelError('bad output')}
        pipeline = setup.start(lane)
        offer_all_taken(pipeline, frame(1), frame(2), frame(3))
        wait_until(lambda: lane.counts.processed + lane.counts.failed == 3)
        assert lane.activity.describe() == ''
        assert begun[0] == ('the first run',)
        assert set(begun[1:]) == {('an inference',)}

    def test_a_first_run_that_never_ends_blocks_nobody(self, setup):
        path, warm = setup.path(), threading.Event()
        bind = path.bind_thread
        path.bind_thread = lambda: (warm.wait(DEADLINE_S), bind())
        lane = setup.lane(path)
        pipeline = Pipeline([lane])
        setup.pipelines.append(pipeline)
        assert not pipeline.start(timeout_s=0.01)
        assert 'engine det: the first run has not' in lane.activity.describe()
        left = pipeline.close(patience_s=0.01)
        assert left.at_work()
        warm.set()
        wait_until(left.settle)


def test_several_inputs_are_counted_and_timed_apart(setup):
    lane = setup.lane(setup.path(inference_ms=2.0))
    pipeline = setup.start(lane, inputs=2)
    frames = [frame(number) for number in (3, 4, 5, 6)]
    for each in frames:
        each.input_index = int(each.header == 4)
    offer_all_taken(pipeline, *frames)
    assert [lane.publish.next() for _ in frames] == [(n, n) for n in (3, 4, 5, 6)]
    wait_until(lambda: lane.counts == Counts(received=4, processed=4))
    pipeline.close()  # the GPU's times of the input come when its slot is free
    for record, count in zip(lane.records, (3, 1), strict=True):
        assert record.counts == Counts(received=count, processed=count)
        stages = record.times.summary()
        assert {'upload', 'preprocess', 'inference', 'publish'} <= stages.keys()
        assert {stage.samples for stage in stages.values()} == {count}


class TestAnotherModel:
    def ask(self, setup, lane, path):
        decided = queue.Queue()
        successor = setup.lane(path, publish=lane.publish)
        lane.succession.request(lane, successor, decided.put)
        return decided

    def test_it_takes_over_when_no_frame_is_under_way(self, setup):
        old, new = setup.path(held=True), setup.path(key='another size')
        lane = setup.lane(old)
        pipeline = setup.start(lane)
        pipeline.offer(frame(1))
        old.wait_until_waited_for()
        decided = self.ask(setup, lane, new)
        pipeline.offer(frame(2))
        assert decided.empty()
        old.go.set()
        assert decided.get(timeout=DEADLINE_S) is None
        assert [lane.publish.next()[1] for _ in range(2)] == [1, 2]
        assert [entry[1] for entry in old.log if entry[0] == 'finish'][:1] == [1]
        assert new.bound == old.bound == ['lane det']
        for number in (3, 4, 5):
            pipeline.offer(frame(number))
            assert lane.publish.next() == (number, number)
        assert ('finish', 5) in new.log
        assert ('begin', 3) not in old.log
        wait_until(lambda: lane.counts == Counts(received=5, processed=5))

    def test_other_lanes_share_its_tensors_as_before(self, setup):
        """Back and forth: what no lane takes any more is released, or the fixture complains."""
        paths = [setup.path(key=key) for key in ('a', 'a', 'b', 'a')]
        lanes = [setup.lane(path, name) for path, name in zip(paths, ('one', 'two'), strict=False)]
        pipeline = setup.start(*lanes)
        for round_, path in enumerate([None, *paths[2:]]):
            if path is not None:
                assert self.ask(setup, lanes[0], path).get(timeout=DEADLINE_S) is None
            for number in range(3):
                pipeline.offer(frame(1 + 3 * round_ + number))
                for lane in lanes:
                    assert lane.publish.next()[1] == 1 + 3 * round_ + number
        assert lanes[0].input.kind == lanes[1].input.kind
        slots = lanes[0].input.frames._slots
        assert max(len(slot._tensors) for slot in slots) <= 2

    def test_one_that_cannot_be_bound_changes_nothing(self, setup):
        lane = setup.lane(setup.path())
        pipeline = setup.start(lane)
        broken = setup.path()
        broken.raises['bind', 0] = ModelError('no memory')
        assert 'no memory' in str(self.ask(setup, lane, broken).get(timeout=DEADLINE_S))
        on_the_cpu = Lane('det', OnTheCpu(), lane.publish)
        decided = queue.Queue()
        lane.succession.request(lane, on_the_cpu, decided.put)
        assert 'another device' in str(decided.get(timeout=DEADLINE_S))
        pipeline.offer(frame(1))
        assert lane.publish.next() == (1, 1)


def test_a_lane_that_is_never_idle_pauses_for_an_engine_that_binds(setup):
    path = setup.path(held=True)
    lane = setup.lane(path)
    pipeline = setup.start(lane)
    pipeline.offer(frame(1))
    path.wait_until_waited_for()
    at = []

    def bind():
        with BINDING:
            at.append(list(path.log))
            pipeline.offer(frame(3))  # it waits

    binder = threading.Thread(target=bind)
    binder.start()
    wait_until(lambda: BINDING.is_wanted)
    pipeline.offer(frame(2))
    path.go.set()
    binder.join(DEADLINE_S)
    # What was under way is finished by then, and nothing was begun behind it.
    (log,) = at
    assert [number for what, number in log if what == 'begin'] == [
        number for what, number in log if what == 'finish'
    ]
    results = [lane.publish.next()[1]]
    while results[-1] != 3:
        results.append(lane.publish.next()[1])
    assert results[0] == 1
