"""A lane that gets another model while it runs: no frame is lost or answered twice."""

import queue
import threading

import numpy as np
import pytest
from pipeline.standin_model import StandInModel
from pipeline.waiting import DEADLINE_S, wait_until

from jetson_perception.errors import CudaError, ModelError
from jetson_perception.pipeline import Counts, EveryFrame, Frame, Lane, Pipeline


class Model(StandInModel):
    """Says of a frame's number who it is; waits in `infer` for `go`."""

    def __init__(self, name, *, held=False):
        self.name = self.input_key = name
        self.bound, self.problem = [], None
        self.begun = queue.Queue()
        self.go = threading.Event()
        if not held:
            self.go.set()

    def preprocess(self, bgr, out=None):
        return bgr, None

    def infer(self, tensor):
        self.begun.put(int(tensor[0, 0, 0]))
        assert self.go.wait(DEADLINE_S)
        return [tensor]

    def postprocess(self, outputs, transform, options=None):
        return self.name, int(outputs[0][0, 0, 0]), options

    def bind_thread(self):
        self.bound.append(threading.current_thread().name)
        if self.problem is not None:
            raise self.problem


class Setup:
    """A pipeline of one lane, with what is published and what became of requests."""

    def __init__(self):
        self.published, self.decided = queue.Queue(), queue.Queue()
        self.stopped = []
        self.pipeline = None

    def lane(self, model):
        def publish(frame, result):
            self.published.put((*result, model.name))

        return Lane('det', model, publish, lambda: f'options of {model.name}')

    def start(self, model, policy=None):
        self.lane_that_runs = self.lane(model)
        on_stopped = lambda lane, error: self.stopped.append(error)  # noqa: E731
        self.pipeline = Pipeline([self.lane_that_runs], None, on_stopped, policy)
        self.pipeline.start()

    def offer(self, *numbers):
        for number in numbers:
            self.pipeline.offer(Frame(lambda n=number: np.full((1, 1, 3), n, np.uint8)))

    def request(self, model):
        lane = self.lane_that_runs
        lane.succession.request(lane, self.lane(model), self.decided.put)

    def results(self, count):
        return [self.published.get(timeout=DEADLINE_S) for _ in range(count)]

    def decision(self):
        return self.decided.get(timeout=DEADLINE_S)


def result(model, number):
    """As the model makes it, and publishes it itself."""
    return model, number, f'options of {model}', model


@pytest.fixture
def setup():
    made = Setup()
    yield made
    if made.pipeline is not None:
        made.lane_that_runs.model.go.set()
        made.pipeline.close()


def test_an_idle_lane_changes_at_once(setup):
    setup.start(Model('old'))
    setup.offer(1)
    assert setup.results(1) == [result('old', 1)]
    new = Model('new')
    setup.request(new)
    assert setup.decision() is None
    assert new.bound == ['lane det']
    assert setup.lane_that_runs.model is new
    wait_until(lambda: not setup.lane_that_runs.activity.describe())
    assert not setup.lane_that_runs.slot.wait_until_closed(0.02)  # the lane waits again
    assert setup.lane_that_runs.activity.describe() == ''
    setup.offer(2)
    assert setup.results(1) == [result('new', 2)]


def test_every_frame_is_answered_once_whichever_model_it_came_to(setup):
    old = Model('old', held=True)
    setup.start(old, EveryFrame())
    setup.offer(*range(1, 6))
    assert old.begun.get(timeout=DEADLINE_S) == 1
    setup.request(Model('new'))
    assert setup.decided.empty()
    old.go.set()
    assert setup.decision() is None
    setup.offer(6, 7)
    expected = [result('old', 1), *(result('new', number) for number in range(2, 8))]
    assert setup.results(7) == expected
    wait_until(lambda: setup.lane_that_runs.counts == Counts(received=7, processed=7))


def test_a_model_that_cannot_be_bound_leaves_the_lane_as_it_is(setup):
    setup.start(Model('old'))
    for problem in (ModelError('no room'), ValueError('a fault of ours')):
        new = Model('new')
        new.problem = problem
        setup.request(new)
        assert str(problem) in str(setup.decision())
        setup.offer(1)
        assert setup.results(1) == [result('old', 1)]
    assert not setup.stopped


def test_a_gpu_that_failed_for_good_ends_the_lane(setup):
    setup.start(Model('old'))
    new = Model('new')
    new.problem = CudaError('an illegal access', fatal=True)
    setup.request(new)
    assert setup.decision() is new.problem
    wait_until(lambda: setup.stopped)


def test_what_a_lane_has_not_come_to_can_be_taken_back(setup):
    old = Model('old', held=True)
    setup.start(old)
    setup.offer(1)
    old.begun.get(timeout=DEADLINE_S)
    setup.request(Model('new'))
    assert setup.lane_that_runs.succession.withdraw()
    assert not setup.lane_that_runs.succession.withdraw()
    old.go.set()
    setup.offer(2)
    assert setup.results(2) == [result('old', 1), result('old', 2)]
    assert setup.decided.empty()


def test_a_pipeline_can_be_closed_meanwhile(setup):
    old = Model('old', held=True)
    setup.start(old)
    setup.offer(1)
    old.begun.get(timeout=DEADLINE_S)
    setup.request(Model('new'))
    threading.Timer(0.05, old.go.set).start()
    assert setup.pipeline.close() is None
    assert setup.results(1) == [result('old', 1)]
