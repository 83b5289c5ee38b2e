"""Lanes side by side: the newest frame wins, nobody holds another back, nothing ends a lane."""

import logging
import queue
import sys
import threading

import numpy as np
import pytest
from pipeline.standin_model import StandInModel
from pipeline.waiting import DEADLINE_S, wait_until
from tracing.recordings import recorded, spans_of

from jetson_perception.errors import CudaError, ImageError, ModelError, PerceptionError
from jetson_perception.pipeline import Counts, EveryFrame, Frame, Lane, Pace, Pipeline

STAGES = ('preprocess', 'infer', 'postprocess')


class Model(StandInModel):
    """Gives back a frame's number; waits in `infer` for `go`, and raises where it is told to."""

    device_path = None

    def __init__(self, *, held=False, input_key='input'):
        self.input_key = input_key
        self.begun = queue.Queue()
        self.go = threading.Event()
        self.raises = {}
        self.preprocessed = 0
        if not held:
            self.go.set()

    def preprocess(self, bgr, out=None):
        self.preprocessed += 1
        self._fail('preprocess', int(bgr[0, 0, 0]))
        tensor = np.empty(1, np.float32) if out is None else out
        tensor[0] = bgr[0, 0, 0]
        return tensor, bgr.shape

    def infer(self, tensor):
        number = int(tensor[0])
        self.begun.put(number)
        assert self.go.wait(DEADLINE_S), 'the test never let the engine go on'
        self._fail('infer', number)
        return [tensor.copy()]

    def postprocess(self, outputs, transform, options=None):
        number = int(outputs[0][0])
        self._fail('postprocess', number)
        return number if options is None else (number, options)

    def bind_thread(self):
        pass

    def interrupt(self):
        pass

    def wait_until_begun(self):
        """Number of the frame that the engine has taken up."""
        return self.begun.get(timeout=DEADLINE_S)

    def _fail(self, stage, number):
        if (stage, number) in self.raises:
            raise self.raises[stage, number]


class Published:
    """What lanes published, for a test to wait for."""

    def __init__(self):
        self.results = queue.Queue()
        self.raises = {}

    def __call__(self, frame, result):
        if result in self.raises:
            raise self.raises[result]
        self.results.put((frame.header, result))

    def next(self):
        return self.results.get(timeout=DEADLINE_S)


@pytest.fixture
def started():
    """Starts a pipeline of lanes, and closes it however the test ends."""
    pipelines = []

    def start(*lanes, on_settled=None, on_stopped=None, policy=None, timeout_s=None):
        pipeline = Pipeline(lanes, on_settled, on_stopped, policy=policy)
        pipelines.append(pipeline)
        pipeline.start(timeout_s)
        return pipeline

    before = set(threading.enumerate())
    yield start
    for pipeline in pipelines:
        for lane in pipeline.lanes:
            lane.model.go.set()
        pipeline.close()
    wait_until(lambda: set(threading.enumerate()) <= before)


def frame(number):
    """A frame whose pixels, header and results are its number."""
    return Frame(lambda: np.full((2, 2, 3), number, np.uint8), header=number, age_ms=1.5)


def test_a_frame_goes_through_and_comes_out_with_its_header(started):
    published, model = Published(), Model()
    lane = Lane('det', model, published)
    started(lane).offer(frame(3))
    assert published.next() == (3, 3)
    wait_until(lambda: lane.counts == Counts(received=1, processed=1))
    assert list(lane.times.summary()) == [
        'transport',
        'wait',
        'preprocess',
        'inference',
        'postprocess',
        'publish',
        'total',
    ]
    assert lane.times.summary()['transport'].median_ms == pytest.approx(1.5)
    assert lane.times.summary()['total'].median_ms > 1.5


def test_a_frame_of_unknown_age_has_neither_transport_nor_total(started):
    published = Published()
    lane = Lane('det', Model(), published)
    started(lane).offer(Frame(lambda: np.zeros((2, 2, 3), np.uint8)))
    published.next()
    wait_until(lambda: lane.counts.processed == 1)
    assert not {'transport', 'total'} & set(lane.times.summary())


def test_while_the_engine_is_busy_the_newest_frame_wins_and_the_others_count_as_skipped(started):
    published, model = Published(), Model(held=True)
    lane = Lane('det', model, published)
    pipeline = started(lane)
    pipeline.offer(frame(1))
    assert model.wait_until_begun() == 1
    for number in range(2, 12):
        pipeline.offer(frame(number))
    assert lane.counts == Counts(received=11, skipped=9)
    model.go.set()
    assert [published.next(), published.next()] == [(1, 1), (11, 11)]
    wait_until(lambda: lane.counts.processed == 2)
    assert lane.counts == Counts(received=11, processed=2, skipped=9, failed=0)


MS = 1_000_000


@pytest.mark.parametrize(
    ('frame_ms', 'most'),
    [
        pytest.param(30, 1, id='slow_engine'),
        pytest.param(16, 2, id='twice_as_fast'),
        pytest.param(5, 3, id='fast_engine'),
    ],
)
def test_of_a_bunch_an_engine_takes_what_it_has_time_for(started, frame_ms, most):
    published, model = Published(), Model(held=True)
    lane = Lane('det', model, published)
    pipeline = started(lane)
    came_ns = 0
    # A camera of 30 Hz; four images come together, as a part of the first was sent again.
    for number, after_ms in enumerate((0, 33, 33, 33, 99, 0, 0, 0), 1):
        each = frame(number)
        came_ns += after_ms * MS
        each.received_ns += came_ns
        pipeline.offer(each)
        if number == 1:
            assert model.wait_until_begun() == 1
            lane.backlog.took(frame_ms * MS)
    model.go.set()
    expected = [1, *range(9 - most, 9)]
    assert [published.next() for _ in expected] == [(number, number) for number in expected]
    wait_until(lambda: lane.counts.processed == len(expected))
    assert lane.counts == Counts(received=8, processed=1 + most, skipped=7 - most)


class EverySecond:
    """A lane that takes every second frame."""

    enable = True
    every = 2
    max_rate = 0.0


def test_frames_that_the_pace_leaves_out_are_counted_so_and_reach_other_lanes(started):
    all_results, half_results = Published(), Published()
    every, half = Lane('every', Model(), all_results), Lane('half', Model(), half_results)
    half.pace = Pace(EverySecond)
    pipeline = started(every, half)
    frames = [frame(number) for number in range(1, 7)]
    for each in frames:
        pipeline.offer(each)
        assert all_results.next() == (each.header, each.header)
        if each.header % 2:
            assert half_results.next() == (each.header, each.header)
        wait_until(lambda: not (every.counts.under_way or half.counts.under_way))
    assert half.counts == Counts(received=6, processed=3, left_out=3)
    assert every.counts == Counts(received=6, processed=6)
    assert [each.left_out_by for each in frames] == [set(), {'half'}] * 3


def test_a_frame_that_waits_for_a_busy_engine_is_replaced_even_by_one_to_leave_out(started):
    published, model = Published(), Model(held=True)
    lane = Lane('det', model, published)
    lane.pace = Pace(EverySecond)
    pipeline = started(lane)
    pipeline.offer(frame(1))
    assert model.wait_until_begun() == 1
    for number in (2, 3, 4):
        pipeline.offer(frame(number))
    assert lane.counts.under_way == 2
    assert lane.counts == Counts(received=4, skipped=1, left_out=1)
    model.go.set()
    assert [published.next(), published.next()] == [(1, 1), (4, 4)]
    wait_until(lambda: lane.counts.processed == 2)
    assert not lane.counts.under_way


def test_a_lane_that_is_disabled_leaves_the_frame_that_waits_as_it_is(started):
    class Disabled:
        enable, every, max_rate = True, 1, 0.0

    published, model = Published(), Model(held=True)
    lane = Lane('det', model, published)
    lane.pace = Pace(Disabled)
    pipeline = started(lane)
    pipeline.offer(frame(1))
    model.wait_until_begun()
    pipeline.offer(frame(2))
    Disabled.enable = False
    pipeline.offer(frame(3))
    model.go.set()
    assert [published.next(), published.next()] == [(1, 1), (2, 2)]
    wait_until(lambda: lane.counts == Counts(received=3, processed=2, left_out=1))


def test_a_frame_that_is_left_out_is_settled_where_every_frame_is(started):
    settled = queue.Queue()
    lanes = [Lane(name, Model(), Published()) for name in ('det', 'pose')]
    for lane in lanes:
        lane.pace = Pace(EverySecond)
    pipeline = started(*lanes, on_settled=settled.put, policy=EveryFrame())
    for number in (1, 2, 3, 4):
        pipeline.offer(frame(number))
    results = {}
    for _ in range(4):
        each = settled.get(timeout=DEADLINE_S)
        results[each.header] = each.results
    assert results == {
        number: dict.fromkeys(('det', 'pose'), number if number % 2 else None)
        for number in (1, 2, 3, 4)
    }
    for lane in lanes:
        assert lane.counts == Counts(received=4, processed=2, left_out=2)


def test_a_slow_lane_holds_no_other_back(started):
    fast_results, slow_results = Published(), Published()
    slow_model = Model(held=True)
    fast, slow = Lane('fast', Model(), fast_results), Lane('slow', slow_model, slow_results)
    pipeline = started(fast, slow)
    pipeline.offer(frame(1))
    assert slow_model.wait_until_begun() == 1
    for number in range(1, 6):
        if number > 1:
            pipeline.offer(frame(number))
        assert fast_results.next() == (number, number)
    assert slow_results.results.empty()
    slow_model.go.set()
    assert [slow_results.next(), slow_results.next()] == [(1, 1), (5, 5)]
    wait_until(lambda: (fast.counts.processed, slow.counts.processed) == (5, 2))
    assert fast.counts == Counts(received=5, processed=5)
    assert slow.counts == Counts(received=5, processed=2, skipped=3)


def test_lanes_of_one_input_preprocess_once(started):
    published = Published()
    # Held, so that neither has released the frame before the other asks for its tensor.
    models = [Model(held=True), Model(held=True)]
    pipeline = started(*(Lane(f'lane{i}', models[i], published) for i in range(2)))
    pipeline.offer(frame(4))
    assert [model.wait_until_begun() for model in models] == [4, 4]
    assert sum(model.preprocessed for model in models) == 1


def test_lanes_of_different_inputs_preprocess_each(started):
    published = Published()
    models = [Model(input_key='small', held=True), Model(input_key='large', held=True)]
    pipeline = started(*(Lane(f'lane{i}', models[i], published) for i in range(2)))
    pipeline.offer(frame(4))
    assert [model.wait_until_begun() for model in models] == [4, 4]
    assert [model.preprocessed for model in models] == [1, 1]


@pytest.mark.parametrize('stage', STAGES)
@pytest.mark.parametrize(
    ('raised', 'told'),
    [
        pytest.param(ModelError('the engine gave 3 outputs'), 'gave 3 outputs', id='expected'),
        pytest.param(
            ZeroDivisionError('division by zero'),
            'det: unexpected ZeroDivisionError: division by zero',
            id='unexpected',
        ),
    ],
)
def test_an_error_in_a_stage_is_counted_and_reported_and_the_next_frame_runs(
    started, stage, raised, told
):
    published, errors = Published(), []
    model = Model()
    model.raises = {(stage, 1): raised}
    lane = Lane('det', model, published, on_error=errors.append)
    pipeline = started(lane)
    pipeline.offer(frame(1))
    wait_until(lambda: lane.counts.failed == 1)
    pipeline.offer(frame(2))
    assert published.next() == (2, 2)
    wait_until(lambda: lane.counts == Counts(received=2, processed=1, failed=1))
    assert len(errors) == 1
    assert isinstance(errors[0], PerceptionError)
    assert told in str(errors[0])


def test_a_frame_that_cannot_be_loaded_fails_in_every_lane_and_the_next_runs(started):
    def load():
        raise ImageError('image is empty')

    published, errors = Published(), []
    lanes = [Lane(f'lane{i}', Model(), published, on_error=errors.append) for i in range(2)]
    pipeline = started(*lanes)
    pipeline.offer(Frame(load))
    wait_until(lambda: all(lane.counts.failed == 1 for lane in lanes))
    pipeline.offer(frame(2))
    assert [published.next(), published.next()] == [(2, 2), (2, 2)]
    assert [str(error) for error in errors] == ['image is empty'] * 2


def test_a_publish_that_raises_is_counted_and_the_next_frame_runs(started):
    published, errors = Published(), []
    published.raises = {1: RuntimeError('the wire is cut')}
    lane = Lane('det', Model(), published, on_error=errors.append)
    pipeline = started(lane)
    pipeline.offer(frame(1))
    wait_until(lambda: lane.counts.failed == 1)
    pipeline.offer(frame(2))
    assert published.next() == (2, 2)
    wait_until(lambda: lane.counts == Counts(received=2, processed=1, failed=1))
    assert 'publishing failed: the wire is cut' in str(errors[0])


def test_without_on_error_a_failed_frame_is_a_warning_in_the_log(started, caplog):
    model = Model()
    model.raises = {('infer', 1): ModelError('the engine is gone')}
    lane = Lane('det', model, Published())
    with caplog.at_level(logging.WARNING):
        started(lane).offer(frame(1))
        wait_until(lambda: 'the engine is gone' in caplog.text)
    assert lane.counts.failed == 1


def test_options_are_read_for_every_frame(started):
    published, options = Published(), {'value': 'low'}
    pipeline = started(Lane('det', Model(), published, lambda: options['value']))
    pipeline.offer(frame(1))
    assert published.next() == (1, (1, 'low'))
    options['value'] = 'high'
    pipeline.offer(frame(2))
    assert published.next() == (2, (2, 'high'))


def test_settled_comes_when_every_lane_that_began_is_done(started):
    settled, published = queue.Queue(), Published()
    models = [Model(held=True), Model(held=True)]
    lanes = [Lane(f'lane{i}', models[i], published) for i in range(2)]
    pipeline = started(*lanes, on_settled=lambda frame: settled.put(dict(frame.results)))
    pipeline.offer(frame(5))
    assert [model.wait_until_begun() for model in models] == [5, 5]
    models[0].go.set()
    wait_until(lambda: lanes[0].counts.processed == 1)
    assert settled.empty()
    models[1].go.set()
    assert settled.get(timeout=DEADLINE_S) == {'lane0': 5, 'lane1': 5}


def test_settled_does_not_wait_for_a_lane_that_is_busy_with_an_older_frame(started):
    settled, published = queue.Queue(), Published()
    slow_model = Model(held=True)
    fast, slow = Lane('fast', Model(), published), Lane('slow', slow_model, published)
    pipeline = started(
        fast, slow, on_settled=lambda frame: settled.put((frame.header, dict(frame.results)))
    )
    pipeline.offer(frame(1))
    assert slow_model.wait_until_begun() == 1
    pipeline.offer(frame(2))
    while (latest := settled.get(timeout=DEADLINE_S))[0] != 2:
        pass
    assert latest == (2, {'fast': 2})


@pytest.mark.parametrize('stage', [*STAGES, 'publish'])
def test_settled_comes_for_a_frame_that_one_lane_failed_on(started, stage):
    settled, published, failing = queue.Queue(), Published(), Published()
    models = [Model(held=True), Model(held=True, input_key='another')]
    if stage == 'publish':
        failing.raises = {5: RuntimeError('the wire is cut')}
    else:
        models[1].raises = {(stage, 5): ModelError('broken')}
    lanes = [
        Lane('good', models[0], published),
        Lane('bad', models[1], failing, on_error=lambda error: None),
    ]
    pipeline = started(*lanes, on_settled=lambda frame: settled.put(dict(frame.results)))
    pipeline.offer(frame(5))
    assert models[0].wait_until_begun() == 5
    models[1].go.set()
    wait_until(lambda: lanes[1].counts.failed == 1)
    models[0].go.set()
    results = settled.get(timeout=DEADLINE_S)
    while results.get('good') is None:
        results = settled.get(timeout=DEADLINE_S)
    assert results == {'good': 5, 'bad': None}


def test_a_frame_that_settles_badly_counts_once_and_the_next_runs(started, caplog):
    def settle(frame):
        raise ValueError('no paper')

    published, errors = Published(), []
    lane = Lane('det', Model(), published, on_error=errors.append)
    pipeline = started(lane, on_settled=settle)
    for number in (1, 2):
        pipeline.offer(frame(number))
        assert published.next() == (number, number)
    wait_until(lambda: caplog.text.count('no paper') >= 2)
    assert lane.counts == Counts(received=2, processed=2)


def test_close_ends_the_frame_under_way_and_drops_the_one_that_waits(started):
    published, model = Published(), Model(held=True)
    lane = Lane('det', model, published)
    pipeline = started(lane)
    pipeline.offer(frame(1))
    assert model.wait_until_begun() == 1
    pipeline.offer(frame(2))
    closing = threading.Thread(target=pipeline.close)
    closing.start()
    assert lane.slot.wait_until_closed(DEADLINE_S)
    model.go.set()
    closing.join(DEADLINE_S)
    assert not closing.is_alive()
    assert published.next() == (1, 1)
    assert published.results.empty()
    assert lane.counts.processed == 1


def test_a_frame_offered_after_close_is_skipped(started):
    lane = Lane('det', Model(), Published())
    pipeline = started(lane)
    pipeline.close()
    pipeline.offer(frame(1))
    assert lane.counts == Counts(received=1, skipped=1)


def test_no_thread_keeps_the_interpreter_for_as_long_as_a_frame_takes(started):
    before_s = sys.getswitchinterval()
    try:
        sys.setswitchinterval(0.005)
        started(Lane('det', Model(), Published()))
        assert sys.getswitchinterval() == pytest.approx(0.0001, abs=2e-6)
        sys.setswitchinterval(0.00005)
        started(Lane('det', Model(), Published()))
        assert sys.getswitchinterval() == pytest.approx(0.00005, abs=2e-6), 'it was shorter'
    finally:
        sys.setswitchinterval(before_s)


def test_close_twice_and_without_start_does_no_harm(started):
    lane = Lane('det', Model(), Published())
    pipeline = started(lane)
    pipeline.close()
    pipeline.close()
    Pipeline([Lane('never', Model(), Published())]).close()


class TestWhoPublishes:
    """An idle lane sends its result itself; one that is awaited hands it over, and goes on."""

    @pytest.fixture
    def by(self):
        """Threads that published, by result."""
        return {}

    @pytest.fixture
    def publish(self, by):
        def publish(frame, result):
            by[result] = threading.current_thread().name

        return publish

    def test_an_idle_lane(self, started, by, publish):
        lane = Lane('det', Model(), publish)
        started(lane).offer(frame(1))
        wait_until(lambda: lane.counts.processed == 1)
        assert by == {1: 'lane det'}

    def test_a_lane_that_a_frame_waits_for(self, started, by, publish):
        model = Model(held=True)
        lane = Lane('det', model, publish)
        pipeline = started(lane)
        pipeline.offer(frame(1))
        assert model.wait_until_begun() == 1
        pipeline.offer(frame(2))
        model.go.set()
        wait_until(lambda: lane.counts.processed == 2)
        assert by[1] == 'publisher'

    def test_a_lane_while_another_one_publishes(self, started, by, publish):
        begun, go = threading.Event(), threading.Event()

        def slowly(frame, result):
            begun.set()
            assert go.wait(DEADLINE_S)

        other = Model(held=True, input_key='another')
        det, pose = Lane('det', Model(), slowly), Lane('pose', other, publish)
        pipeline = started(det, pose)
        pipeline.offer(frame(1))
        assert begun.wait(DEADLINE_S)
        other.go.set()
        wait_until(lambda: 'engine pose' in pipeline.publishing.describe())
        assert by == {}, 'results are published one after another'
        go.set()
        wait_until(lambda: pose.counts.processed == 1)
        assert by == {1: 'publisher'}

    def test_no_result_overtakes_one_that_waits_for_the_publisher(self, started):
        published, begun, go = [], threading.Event(), threading.Event()
        model = Model(held=True)

        def publish(frame, result):
            begun.set()
            assert go.wait(DEADLINE_S)
            published.append(result)

        lane = Lane('det', model, publish)
        pipeline = started(lane)
        pipeline.offer(frame(1))
        assert model.wait_until_begun() == 1
        pipeline.offer(frame(2))
        model.go.set()
        assert begun.wait(DEADLINE_S)  # of the first one, in the publisher's thread
        assert model.wait_until_begun() == 2
        wait_until(lambda: not lane.activity.describe())  # the second one has been delivered
        go.set()
        wait_until(lambda: lane.counts.processed == 2)
        assert published == [1, 2]

    def test_a_lane_in_lockstep(self, started, by, publish):
        lane = Lane('det', Model(), publish)
        started(lane, policy=EveryFrame()).offer(frame(1))
        wait_until(lambda: lane.counts.processed == 1)
        assert by == {1: 'publisher'}

    def test_a_result_that_cannot_be_sent_fails_alone(self, started):
        published = Published()
        published.raises = {1: RuntimeError('no space')}
        lane = Lane('det', Model(), published, on_error=lambda error: None)
        pipeline = started(lane)
        for number in (1, 2):
            pipeline.offer(frame(number))
            wait_until(lambda number=number: lane.counts.under_way == 0)
        assert published.next() == (2, 2)
        assert lane.counts == Counts(received=2, processed=1, failed=1)


def test_a_publisher_that_is_held_up_stops_the_lane_and_not_the_caller(started):
    begun, go = threading.Event(), threading.Event()

    def publish(frame, result):
        begun.set()
        assert go.wait(DEADLINE_S)

    lane = Lane('det', Model(), publish)
    pipeline = started(lane)
    for number in range(1, 51):
        pipeline.offer(frame(number))
    assert begun.wait(DEADLINE_S)
    go.set()
    wait_until(lambda: sum((lane.counts.processed, lane.counts.skipped)) == 50)
    assert lane.counts.failed == 0


class BoundModel(Model):
    """One whose first run goes on until `warm` is set, and fails where it is told to."""

    def __init__(self):
        super().__init__()
        self.warm = threading.Event()
        self.cannot_begin = None

    def bind_thread(self):
        assert self.warm.wait(DEADLINE_S)
        if self.cannot_begin is not None:
            raise self.cannot_begin


class InterruptibleModel(Model):
    """One whose inference under way fails when it is interrupted."""

    interrupted = False

    def infer(self, tensor):
        outputs = super().infer(tensor)
        if self.interrupted:
            raise ModelError('Exiting due to terminate flag')
        return outputs

    def interrupt(self):
        self.interrupted = True
        self.go.set()


class TestHangs:
    """Threads that don't come back; `go` of the model lets them, at the end of each test."""

    def test_an_inference_that_does_not_return_is_left_behind(self, started):
        published, errors, model = Published(), [], Model(held=True)
        lane = Lane('det', model, published, on_error=errors.append)
        pipeline = started(lane)
        pipeline.offer(frame(1))
        assert model.wait_until_begun() == 1
        left = pipeline.close(patience_s=0.01)
        assert 'engine det: an inference has not returned since' in left.at_work()
        # What comes of it late goes nowhere.
        model.raises = {('infer', 1): ModelError('it came back')}
        model.go.set()
        wait_until(lambda: not left.at_work())
        assert published.results.empty()
        assert errors == []

    def test_a_late_result_is_not_published(self, started):
        published, model = Published(), Model(held=True)
        pipeline = started(Lane('det', model, published))
        pipeline.offer(frame(1))
        assert model.wait_until_begun() == 1
        left = pipeline.close(patience_s=0.01)
        model.go.set()
        wait_until(left.settle)
        assert published.results.empty()

    def test_the_other_lanes_end_as_usual(self, started):
        published, stuck = Published(), Model(held=True, input_key='another')
        pipeline = started(Lane('det', Model(), published), Lane('pose', stuck, published))
        pipeline.offer(frame(1))
        assert stuck.wait_until_begun() == 1
        assert published.next() == (1, 1)
        left = pipeline.close(patience_s=0.05)
        assert [thread.name for thread in left.threads] == ['lane pose']

    @pytest.mark.parametrize('stage', ['preprocess', 'postprocess'])
    def test_what_a_lane_is_doing_has_a_name(self, started, stage):
        model, go, begun = Model(), threading.Event(), threading.Event()
        model.go = go
        work = getattr(model, stage)

        def hold(*args):
            begun.set()
            assert go.wait(DEADLINE_S)
            return work(*args)

        setattr(model, stage, hold)
        model.infer = lambda tensor: [tensor]
        lane = Lane('det', model, Published())
        started(lane).offer(frame(1))
        assert begun.wait(DEADLINE_S)
        what = {'preprocess': 'fitting an image', 'postprocess': 'decoding a result'}[stage]
        assert f'engine det: {what} has not' in lane.activity.describe()
        go.set()
        wait_until(lambda: lane.counts.processed == 1)
        assert lane.activity.describe() == ''

    def test_a_run_that_can_be_interrupted_is_when_it_takes_long(self, started):
        errors, model = [], InterruptibleModel(held=True)
        lane = Lane('det', model, Published(), on_error=errors.append)
        pipeline = started(lane)
        pipeline.offer(frame(1))
        assert model.wait_until_begun() == 1
        assert pipeline.close() is None
        assert model.interrupted
        assert (errors, lane.counts.failed) == ([], 0), 'nobody asked for that frame any more'

    def test_a_publisher_that_does_not_return_is_left_behind_alone(self, started):
        publishing, model = threading.Event(), Model(held=True)
        done = threading.Event()

        def publish(frame, result):
            publishing.set()
            assert done.wait(DEADLINE_S)

        pipeline = started(Lane('det', model, publish))
        pipeline.offer(frame(1))
        assert model.wait_until_begun() == 1
        pipeline.offer(frame(2))  # so that the lane has no time to publish
        model.go.set()
        assert publishing.wait(DEADLINE_S)
        for number in range(3, 20):
            pipeline.offer(frame(number))
        assert 'the publisher: a result of engine det' in pipeline.publishing.describe()
        left = pipeline.close(patience_s=0.05)
        assert [thread.name for thread in left.threads] == ['publisher']
        done.set()

    def test_an_idle_lane_whose_result_is_not_taken_is_left_behind_with_what_it_does(
        self, started
    ):
        publishing, done = threading.Event(), threading.Event()

        def publish(frame, result):
            publishing.set()
            assert done.wait(DEADLINE_S)

        pipeline = started(Lane('det', Model(), publish))
        pipeline.offer(frame(1))
        assert publishing.wait(DEADLINE_S)
        left = pipeline.close(patience_s=0.05)
        assert [thread.name for thread in left.threads] == ['lane det']
        assert 'engine det: the sending of a result has not returned' in left.at_work()
        done.set()
        wait_until(left.settle)

    def test_a_long_first_run_continues_after_start_returns(self, started):
        published, model = Published(), BoundModel()
        lane = Lane('det', model, published)
        pipeline = started(lane, timeout_s=0.01)
        assert not pipeline.begun
        assert 'engine det: the first run has not returned since' in lane.activity.describe()
        for number in (1, 2):
            pipeline.offer(frame(number))
        assert lane.counts == Counts(received=2, skipped=1)
        model.warm.set()
        assert published.next() == (2, 2)
        assert pipeline.begun

    def test_a_first_run_that_fails_late_is_reported(self, started):
        stopped, model = queue.Queue(), BoundModel()
        model.cannot_begin = ModelError('no graph')
        lane = Lane('det', model, Published())
        started(lane, timeout_s=0.01, on_stopped=lambda *args: stopped.put(args))
        model.warm.set()
        assert stopped.get(timeout=DEADLINE_S) == (lane, model.cannot_begin)

    def test_lanes_that_wait_for_a_first_run_end_without_it(self, started):
        slow = BoundModel()
        lanes = [Lane('pose', slow, Published()), Lane('det', Model(), Published())]
        pipeline = started(*lanes, timeout_s=0.01)
        left = pipeline.close(patience_s=0.05)
        assert [thread.name for thread in left.threads] == ['lane pose']
        slow.warm.set()
        wait_until(left.settle)
        assert not pipeline.begun

    def test_a_start_that_waits_is_called_off(self, started):
        model = BoundModel()
        pipeline = Pipeline([Lane('det', model, Published())])
        starting = threading.Thread(target=pipeline.start)
        starting.start()
        pipeline.call_off()
        starting.join(DEADLINE_S)
        assert not starting.is_alive()
        model.warm.set()
        pipeline.close()
        pipeline.close()  # once more, with the last lane gone
        assert not pipeline.begun


class TestEveryFrame:
    """No lane leaves one out, and a frame is settled when all of them are through with it."""

    def test_each_lane_takes_all_in_order_whatever_its_pace(self, started):
        lanes = [Lane(name, Model(held=name == 'slow'), Published()) for name in ('fast', 'slow')]
        settled = queue.Queue()
        pipeline = started(*lanes, on_settled=settled.put, policy=EveryFrame())
        for number in range(1, 21):
            pipeline.offer(frame(number))
        assert [lanes[0].publish.next()[1] for _ in range(20)] == list(range(1, 21))
        assert settled.empty()
        lanes[1].model.go.set()
        assert [lanes[1].publish.next()[1] for _ in range(20)] == list(range(1, 21))
        headers = [settled.get(timeout=DEADLINE_S).header for _ in range(20)]
        assert headers == list(range(1, 21))
        wait_until(lambda: all(lane.counts == Counts(20, 20) for lane in lanes))

    def test_a_frame_that_fails_in_one_lane_is_settled_too(self, started):
        good, bad = (Lane(name, Model(), Published()) for name in ('good', 'bad'))
        bad.model.raises['infer', 1] = ModelError('no')
        settled = queue.Queue()
        started(good, bad, on_settled=settled.put, policy=EveryFrame()).offer(frame(1))
        assert settled.get(timeout=DEADLINE_S).results == {'good': 1, 'bad': None}

    def test_too_many_are_counted_and_settled_without_a_result(self, started, monkeypatch):
        monkeypatch.setattr('jetson_perception.pipeline.policy.MOST_WAITING', 2)
        lane = Lane('det', Model(held=True), Published())
        settled = queue.Queue()
        pipeline = started(lane, on_settled=settled.put, policy=EveryFrame())
        pipeline.offer(frame(1))
        lane.model.wait_until_begun()
        for number in (2, 3, 4):
            pipeline.offer(frame(number))
        first = settled.get(timeout=DEADLINE_S)
        assert (first.header, first.results) == (4, {'det': None})
        assert lane.counts == Counts(received=4, skipped=1)
        lane.model.go.set()
        assert [lane.publish.next()[1] for _ in range(3)] == [1, 2, 3]

    def test_a_lane_that_ended_holds_no_frame_up(self, started):
        """Those that wait for it, and those that come later, have no result of it."""
        good, poor = (Lane(name, Model(), Published()) for name in ('good', 'poor'))
        poor.model.go.clear()
        poor.model.raises['infer', 1] = CudaError('gone', fatal=True)
        settled = queue.Queue()
        pipeline = started(good, poor, on_settled=settled.put, policy=EveryFrame())
        for number in (1, 2):
            pipeline.offer(frame(number))
        poor.model.wait_until_begun()
        poor.model.go.set()
        found = [settled.get(timeout=DEADLINE_S) for _ in range(2)]
        pipeline.offer(frame(3))
        found.append(settled.get(timeout=DEADLINE_S))
        assert [each.header for each in found] == [1, 2, 3]
        assert [each.results for each in found] == [{'good': n, 'poor': None} for n in (1, 2, 3)]

    def test_close_with_frames_that_wait_ends(self, started):
        lane = Lane('det', Model(held=True), Published())
        pipeline = started(lane, policy=EveryFrame())
        for number in (1, 2, 3):
            pipeline.offer(frame(number))
        lane.model.wait_until_begun()
        closing = threading.Thread(target=pipeline.close)
        closing.start()
        assert lane.slot.wait_until_closed(DEADLINE_S)
        lane.model.go.set()
        closing.join(DEADLINE_S)
        assert not closing.is_alive()
        assert lane.publish.results.qsize() == 1


def test_refine_sees_results_in_order_and_its_results_are_passed_on(started):
    published, settled, seen = Published(), [], []
    lane = Lane('det', Model(), published)

    def refine(frame, result):
        seen.append((frame.header, result))
        return result + 100

    lane.refine = refine
    pipeline = started(lane, on_settled=lambda frame: settled.append(frame.results['det']))
    for number in (3, 0, 5):
        pipeline.offer(frame(number))
        assert published.next() == (number, number + 100)
    assert seen == [(3, 3), (0, 0), (5, 5)]
    wait_until(lambda: settled == [103, 100, 105])
    assert lane.times.summary()['refine'].samples == 3


def test_a_result_that_cannot_be_refined_fails_its_frame_and_the_next_one_runs(started):
    published, errors = Published(), []
    lane = Lane('det', Model(), published, on_error=errors.append)
    lane.refine = lambda frame, result: 6 // (result - 1)
    pipeline = started(lane)
    pipeline.offer(frame(1))
    wait_until(lambda: lane.counts.failed == 1)
    pipeline.offer(frame(3))
    assert published.next() == (3, 3)
    assert 'det: unexpected ZeroDivisionError' in str(errors[0])
    wait_until(lambda: lane.counts == Counts(received=2, processed=1, failed=1))


def test_a_frame_that_failed_is_not_refined(started):
    published, model, seen = Published(), Model(), []
    model.raises = {('infer', 1): ModelError('no')}
    lane = Lane('det', model, published, on_error=lambda error: None)
    lane.refine = lambda frame, result: seen.append(result) or result
    pipeline = started(lane)
    pipeline.offer(frame(1))
    wait_until(lambda: lane.counts.failed == 1)
    pipeline.offer(frame(2))
    assert published.next() == (2, 2)
    assert seen == [2]


def test_a_refinement_that_does_not_return_is_reported_as_such(started):
    lane = Lane('det', Model(), Published())
    going, go = threading.Event(), threading.Event()

    def refine(frame, result):
        going.set()
        assert go.wait(DEADLINE_S)
        return result

    lane.refine = refine
    started(lane).offer(frame(1))
    assert going.wait(DEADLINE_S)
    told = lane.activity.describe()
    go.set()
    assert told.startswith('engine det: refining a result has not returned')


def test_a_trace_tells_of_frames_that_were_taken_and_of_those_that_were_not():
    model = Model(held=True)
    out = queue.Queue()
    lane = Lane('det', model, lambda frame, result: out.put(result))
    lane.refine = lambda frame, result: result
    with recorded() as trace:
        pipeline = Pipeline([lane])
        pipeline.start()
        for number in (1, 2, 3):
            traced = Frame(lambda: np.full((2, 2, 3), 1, np.uint8), number, age_ms=5.0)
            traced.stamp_ns = number if number < 3 else 0
            pipeline.offer(traced)
            if number == 1:
                model.wait_until_begun()
        model.go.set()
        assert [out.get(timeout=DEADLINE_S) for _ in range(2)] == [1, 1]
        pipeline.close()
    found = trace()
    taken = [
        ('transport', 'input'),
        ('total', 'lane det: frames'),
        ('receive', 'main thread'),
        ('wait', 'lane det: waiting'),
        ('preprocess', 'lane det'),
        ('inference', 'lane det'),
        ('postprocess', 'lane det'),
        ('refine', 'lane det'),
        ('publish', 'lane det: publishing'),
    ]
    assert sorted(spans_of(found, 1)) == sorted(taken)
    assert sorted(spans_of(found, 2)) == sorted(
        [('transport', 'input'), ('receive', 'main thread'), ('skipped', 'lane det: waiting')]
    )
    # Without a stamp, a frame is known by its place among those offered.
    assert sorted(spans_of(found, -3)) == sorted(taken)
    inference = next(span for span in found.spans if span.stage == 'inference')
    use = found.use(inference)
    assert use is not None
    assert use.ran_ms <= inference.ms + 1
    (transport,) = [span for span in found.spans if span.frame == 1 and span.stage == 'transport']
    assert transport.ms == pytest.approx(5.0)
