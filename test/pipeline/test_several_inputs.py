"""Several inputs in one pipeline: served in turn or together, and counted apart."""

import queue
import threading

import numpy as np
import pytest
from pipeline.standin_model import StandInModel
from pipeline.waiting import DEADLINE_S, wait_until

from jetson_perception.errors import ImageError, ModelError
from jetson_perception.pipeline import (
    Batching,
    Counts,
    EveryFrame,
    Frame,
    Lane,
    Pace,
    Pipeline,
)

INPUTS = 3


class Model(StandInModel):
    """Gives back the number of each image; begins a batch when the test says so."""

    input_key = 'input'

    def __init__(self):
        self.batches = queue.Queue()
        self.go = queue.Queue()
        self.raises = None
        self.broken = set()

    def preprocess(self, bgr, out=None):
        tensor = np.empty((1, 1), np.float32) if out is None else out
        tensor[0] = bgr[0, 0, 0]
        return tensor, bgr.shape

    def infer(self, tensor):
        self.batches.put([int(number) for number in tensor[:, 0]])
        self.go.get(timeout=DEADLINE_S)
        if self.raises is not None:
            raise self.raises
        return [tensor * 2, tensor.copy()]

    def postprocess(self, outputs, transform, options=None):
        twice, once = outputs
        assert twice.shape == once.shape == (1, 1)
        number = int(once[0, 0])
        assert twice[0, 0] == 2 * number
        if number in self.broken:
            raise ModelError(f'{number} is broken')
        return number

    def next_batch(self):
        """Numbers of the images that the engine takes now; it goes on with them."""
        batch = self.batches.get(timeout=DEADLINE_S)
        self.go.put(None)
        return batch


class Cameras:
    """A lane that serves three inputs, and what became of their frames."""

    def __init__(self, most=1, policy=None, **wanted):
        self.model = Model()
        self.published = queue.Queue()
        self.errors = []
        self.lane = Lane('det', self.model, self._publish, on_error=self.errors.append)
        self.wanted = Wanted(**wanted)
        self.lane.batching = Batching(most, lambda: self.wanted)
        self.settled = queue.Queue()
        self.pipeline = Pipeline([self.lane], self.settled.put, policy=policy, inputs=INPUTS)

    def _publish(self, frame, result):
        self.published.put((frame.input_index, result))

    def offer(self, index, number, ago_s=0.0):
        def load():
            if number < 0:
                raise ImageError('not an image')
            return np.full((2, 2, 3), number, np.uint8)

        frame = Frame(load, header=number, age_ms=1.0)
        frame.input_index = index
        frame.received_ns -= int(ago_s * 1e9)
        self.pipeline.offer(frame)

    def results(self, count):
        return [self.published.get(timeout=DEADLINE_S) for _ in range(count)]

    def counts(self):
        return [record.counts for record in self.lane.records]


class Wanted:
    """What a test wants of batches."""

    def __init__(self, max_batch=0, batch_wait_ms=0.0):
        self.max_batch, self.batch_wait_ms = max_batch, batch_wait_ms


@pytest.fixture
def started():
    """Starts cameras, and ends them however the test does."""
    made = []

    def start(*args, **options):
        cameras = Cameras(*args, **options)
        made.append(cameras)
        cameras.pipeline.start()
        return cameras

    yield start
    for cameras in made:
        for _ in range(100):
            cameras.model.go.put(None)
        cameras.pipeline.close()


def occupy(cameras):
    """Have the engine begin frame 1 of input 0, and keep it."""
    cameras.offer(0, 1)
    assert cameras.model.batches.get(timeout=DEADLINE_S) == [1]


def test_inputs_take_turns_and_each_has_its_newest(started):
    cameras = started()
    occupy(cameras)
    for number in range(10, 15):
        cameras.offer(0, number)
    cameras.offer(1, 20)
    cameras.offer(2, 30)
    cameras.offer(2, 31)
    cameras.model.go.put(None)
    assert [cameras.model.next_batch() for _ in range(3)] == [[14], [20], [31]]
    assert cameras.results(4) == [(0, 1), (0, 14), (1, 20), (2, 31)]
    wait_until(lambda: cameras.lane.counts.processed == 4)
    assert cameras.counts() == [
        Counts(received=6, processed=2, skipped=4),
        Counts(received=1, processed=1),
        Counts(received=2, processed=1, skipped=1),
    ]
    assert cameras.lane.counts == Counts(received=9, processed=4, skipped=5)


def test_an_input_with_many_more_frames_starves_no_other(started):
    cameras = started()
    occupy(cameras)
    served = []
    for _ in range(30):
        for _ in range(10):
            cameras.offer(0, 1)
        cameras.offer(1, 2)
        cameras.offer(2, 3)
        cameras.model.go.put(None)
        served += cameras.model.batches.get(timeout=DEADLINE_S)
    assert sorted(served) == [1] * 10 + [2] * 10 + [3] * 10
    cameras.model.go.put(None)


def test_what_waits_runs_together_where_the_model_takes_it(started):
    cameras = started(most=8)
    occupy(cameras)
    for index, number in enumerate((10, 20, 30)):
        cameras.offer(index, number)
    cameras.model.go.put(None)
    assert cameras.model.next_batch() == [10, 20, 30]
    assert cameras.results(4) == [(0, 1), (0, 10), (1, 20), (2, 30)]
    for record in cameras.lane.records:
        wait_until(lambda record=record: record.counts.under_way == 0)
        assert {'wait', 'preprocess', 'inference', 'total'} <= set(record.times.summary())
    assert cameras.lane.records[1].times.summary()['inference'].samples == 1


@pytest.mark.parametrize(
    ('most', 'max_batch', 'expected'),
    [
        pytest.param(2, 0, [[10, 20], [30]], id='as_many_as_the_model_takes'),
        pytest.param(8, 2, [[10, 20], [30]], id='as_many_as_are_wanted'),
        pytest.param(8, 1, [[10], [20], [30]], id='in_turn'),
    ],
)
def test_no_more_than_so_many(started, most, max_batch, expected):
    cameras = started(most=most, max_batch=max_batch)
    occupy(cameras)
    for index, number in enumerate((10, 20, 30)):
        cameras.offer(index, number)
    cameras.model.go.put(None)
    assert [cameras.model.next_batch() for _ in expected] == expected


def test_a_frame_waits_for_those_of_inputs_that_send(started):
    cameras = started(most=8, batch_wait_ms=DEADLINE_S * 1e3)
    cameras.offer(0, 10)  # nobody else has sent anything
    assert cameras.model.next_batch() == [10]
    cameras.offer(1, 20)  # the first input has, so it waits for that
    cameras.offer(0, 11)
    assert sorted(cameras.model.next_batch()) == [11, 20]
    assert cameras.results(3)


def test_no_frame_waits_for_an_input_that_has_stopped(started):
    cameras = started(most=8, batch_wait_ms=DEADLINE_S * 1e4)
    for number, ago_s in ((20, 0.5), (21, 0.4), (22, 0.3)):
        cameras.offer(1, number, ago_s)
        assert cameras.model.next_batch() == [number]
    cameras.offer(0, 10)
    assert cameras.model.next_batch() == [10]


def test_no_frame_waits_until_the_next_of_its_input_replaces_it(started):
    cameras = started(most=8, batch_wait_ms=DEADLINE_S * 1e4)
    for number, ago_s in ((10, 0.2), (11, 0.1)):
        cameras.offer(0, number, ago_s)
        assert cameras.model.next_batch() == [number]
    cameras.offer(1, 20)
    cameras.offer(0, 12)
    assert sorted(cameras.model.next_batch()) == [12, 20]
    cameras.offer(0, 13)  # the other one may still send for a second
    assert cameras.model.next_batch() == [13]


def test_without_a_wait_a_frame_goes_alone(started):
    cameras = started(most=8)
    cameras.offer(0, 10)
    assert cameras.model.next_batch() == [10]
    cameras.offer(1, 20)
    assert cameras.model.next_batch() == [20]


def test_a_frame_that_cannot_be_used_fails_alone(started):
    cameras = started(most=8)
    occupy(cameras)
    cameras.model.broken = {30}
    for index, number in enumerate((10, -1, 30)):
        cameras.offer(index, number)
    cameras.model.go.put(None)
    assert cameras.model.next_batch() == [10, 30]
    assert cameras.results(2) == [(0, 1), (0, 10)]
    wait_until(lambda: cameras.lane.counts.failed == 2)
    assert [str(error) for error in cameras.errors] == ['not an image', '30 is broken']
    assert [counts.failed for counts in cameras.counts()] == [0, 1, 1]


def test_a_batch_that_fails_fails_for_each_and_the_next_runs(started):
    cameras = started(most=8)
    occupy(cameras)
    for index, number in enumerate((10, 20, 30)):
        cameras.offer(index, number)
    cameras.model.go.put(None)
    assert cameras.model.batches.get(timeout=DEADLINE_S) == [10, 20, 30]
    cameras.model.raises = ModelError('out of memory')
    cameras.model.go.put(None)
    wait_until(lambda: cameras.lane.counts.failed == 3)
    cameras.model.raises = None
    cameras.offer(1, 21)
    assert cameras.model.next_batch() == [21]
    assert cameras.results(2) == [(0, 1), (1, 21)]


def test_an_error_goes_to_its_input(started):
    cameras = started()
    told = []
    cameras.lane.records[2].on_error = told.append
    cameras.offer(2, -1)
    wait_until(lambda: cameras.lane.counts.failed == 1)
    assert (len(told), cameras.errors) == (1, [])


def test_in_order_where_every_frame_is_processed(started):
    cameras = started(most=8, policy=EveryFrame())
    occupy(cameras)
    for number in (10, 11, 12):
        cameras.offer(0, number)
        cameras.offer(1, number + 10)
    cameras.model.go.put(None)
    cameras.model.next_batch()
    results = cameras.results(7)[1:]
    assert [result for index, result in results if index == 0] == [10, 11, 12]
    assert [result for index, result in results if index == 1] == [20, 21, 22]
    assert len([cameras.settled.get(timeout=DEADLINE_S) for _ in range(7)]) == 7


def test_each_input_at_its_own_pace(started):
    class EverySecond:
        enable, every, max_rate = True, 2, 0.0

    cameras = started()
    cameras.lane.pace = Pace(EverySecond)
    for number in range(4):
        for index in range(INPUTS):
            cameras.offer(index, 10 * index + number)
            if number % 2 == 0:
                assert cameras.model.next_batch() == [10 * index + number]
                cameras.results(1)
                wait_until(lambda: cameras.lane.counts.under_way == 0)
    assert cameras.counts() == [Counts(received=4, processed=2, left_out=2)] * INPUTS


def test_inputs_may_offer_from_threads_of_their_own(started):
    cameras = started(policy=EveryFrame())
    cameras.model.infer = lambda tensor: [tensor * 2, tensor.copy()]
    threads = [
        threading.Thread(target=lambda i=index: [cameras.offer(i, i) for _ in range(30)])
        for index in range(INPUTS)
    ]
    for thread in threads:
        thread.start()
    frames = [cameras.settled.get(timeout=DEADLINE_S) for _ in range(30 * INPUTS)]
    assert sorted(frame.index for frame in frames) == list(range(1, 30 * INPUTS + 1))
    wait_until(lambda: cameras.lane.counts == Counts(90, 90))
    assert cameras.counts() == [Counts(30, 30)] * INPUTS
