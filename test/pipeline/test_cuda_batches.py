"""Lanes on a GPU's stand-in that take frames of several cameras together."""

import queue
import threading
from types import SimpleNamespace

import numpy as np
import pytest
from pipeline.standin_device_path import StandInPath
from pipeline.waiting import DEADLINE_S, wait_until

from jetson_perception.errors import CudaError, ImageError, ModelError
from jetson_perception.pipeline import Batching, Counts, CudaLane, Frame, Pipeline

CAMERAS = 4
MODEL = SimpleNamespace(bind_thread=lambda: None, interrupt=lambda: None, device_path=None)


class Cameras:
    """A lane that serves some cameras with batches, and what became of their frames."""

    def __init__(self, standin, device, *, together=CAMERAS, policy=None, **wanted):
        self.standin, self.device = standin, device
        self.path = StandInPath(standin, device, together=together)
        self.paths = [self.path]
        self.wanted = SimpleNamespace(max_batch=0, batch_wait_ms=0.0)
        vars(self.wanted).update(wanted)
        self.published, self.errors = queue.Queue(), []
        self.lane = self.make_lane(self.path)
        self.pipeline = Pipeline([self.lane], policy=policy, inputs=CAMERAS)

    def make_lane(self, path):
        lane = CudaLane('det', MODEL, self._publish, lambda: None, self.errors.append, path=path)
        most = 1 if path.batches is None else path.batches.most
        lane.batching = Batching(most, lambda: self.wanted)
        return lane

    def another_path(self, **options):
        self.paths.append(StandInPath(self.standin, self.device, **options))
        return self.paths[-1]

    def _publish(self, frame, result):
        self.published.put((frame.input_index, result))

    def offer(self, index, number):
        """A frame whose width, pixels and result are its number; of none below 0."""

        def load():
            if number < 0:
                raise ImageError('not an image')
            return np.full((2, number, 3), number, np.uint8)

        frame = Frame(load, header=number, age_ms=1.0)
        frame.input_index = index
        self.pipeline.offer(frame)

    def occupy(self):
        """Have the engine begin frame 1 of camera 0, and keep it."""
        self.path.go.clear()
        self.offer(0, 1)
        while self.path.wait_until_begun() != 1:
            pass
        self.path.wait_until_waited_for()

    def results(self, count):
        return [self.published.get(timeout=DEADLINE_S) for _ in range(count)]

    def counts(self):
        return [record.counts for record in self.lane.records]


@pytest.fixture
def started(standin, device):
    """Starts cameras, and ends them however the test does."""
    made = []
    before = set(threading.enumerate())

    def start(**options):
        made.append(Cameras(standin, device, **options))
        made[-1].pipeline.start()
        return made[-1]

    yield start
    for cameras in made:
        for path in cameras.paths:
            path.go.set()
        cameras.pipeline.close()
        for path in cameras.paths:
            path.close()
    assert set(threading.enumerate()) <= before


def test_an_image_that_nothing_can_be_made_of_costs_no_other_its_result(started):
    cameras = started()
    cameras.occupy()
    for index, number in enumerate((10, -1, 30, -1)):
        cameras.offer(index, number)
    cameras.path.go.set()
    assert cameras.path.batches.next_batch() == [10, 30]
    assert cameras.results(3) == [(0, 1), (0, 10), (2, 30)]
    wait_until(lambda: cameras.lane.counts == Counts(received=5, processed=3, failed=2))
    assert [str(error) for error in cameras.errors] == ['not an image'] * 2
    for index in range(CAMERAS):
        cameras.offer(index, -1)  # all of them
    wait_until(lambda: cameras.lane.counts.failed == 6)
    cameras.offer(3, 40)
    assert cameras.results(1) == [(3, 40)]
    assert not cameras.lane.activity.describe()


@pytest.mark.parametrize(
    ('stage', 'failed'),
    [
        pytest.param('batch', [0, 1, 2], id='a_batch_that_cannot_be_enqueued'),
        pytest.param('finish', [1], id='a_place_that_cannot_be_decoded'),
    ],
)
def test_what_fails_in_a_batch_fails_alone_and_the_next_one_runs(started, stage, failed):
    cameras = started()
    cameras.path.raises[stage, 20] = ModelError('values are not finite')
    cameras.occupy()
    for index, number in enumerate((10, 20, 30)):
        cameras.offer(index, number)
    cameras.path.go.set()
    expected = [(index, 10 * (index + 1)) for index in range(3) if index not in failed]
    assert cameras.results(1 + len(expected)) == [(0, 1), *expected]
    wait_until(lambda: cameras.lane.counts.failed == len(failed))
    assert [record.failed for record in cameras.counts()] == [int(i in failed) for i in range(4)]
    cameras.occupy()
    cameras.offer(1, 21)
    cameras.offer(2, 31)
    cameras.path.go.set()
    assert cameras.results(3) == [(0, 1), (1, 21), (2, 31)]


def test_a_gpu_that_fails_for_good_in_a_batch_ends_the_lane(started):
    cameras = started()
    cameras.path.raises['finish', 10] = CudaError('an illegal memory access', fatal=True)
    cameras.occupy()
    for index, number in enumerate((10, 20, 30, 40)):
        cameras.offer(index, number)
    cameras.path.go.set()
    wait_until(lambda: cameras.lane.counts == Counts(received=5, processed=4, failed=1))
    assert cameras.lane.fatal is cameras.errors[0]


def test_what_waits_runs_together_and_each_camera_has_its_newest(started):
    cameras = started()
    cameras.occupy()
    for number in range(10, 15):
        cameras.offer(0, number)
    for index, number in ((3, 40), (1, 20), (2, 30), (1, 21)):
        cameras.offer(index, number)
    cameras.path.go.set()
    assert cameras.path.batches.next_batch() == [14, 40, 21, 30]
    assert cameras.results(5) == [(0, 1), (0, 14), (3, 40), (1, 21), (2, 30)]
    wait_until(lambda: cameras.lane.counts.processed == 5)
    assert cameras.counts()[0] == Counts(received=6, processed=2, skipped=4)
    assert cameras.counts()[1] == Counts(received=2, processed=1, skipped=1)
    for record in cameras.lane.records[1:]:
        assert record.times.summary()['inference'].samples == 1


@pytest.mark.parametrize(
    ('options', 'expected'),
    [
        pytest.param({'together': 2}, [[10, 20], [30, 40]], id='as_many_as_the_path_takes'),
        pytest.param({'max_batch': 3}, [[10, 20, 30], 40], id='as_many_as_are_wanted'),
        pytest.param({'max_batch': 1}, [10, 20, 30, 40], id='in_turn'),
        pytest.param({'together': 1}, [10, 20, 30, 40], id='one_by_one'),
    ],
)
def test_no_more_than_so_many(started, options, expected):
    cameras = started(**options)
    cameras.occupy()
    for index, number in enumerate((10, 20, 30, 40)):
        cameras.offer(index, number)
    cameras.path.go.set()
    for each in expected:
        if isinstance(each, list):
            assert cameras.path.batches.next_batch() == each
        else:
            assert cameras.path.wait_until_begun() == each
    assert [number for _, number in cameras.results(5)] == [1, 10, 20, 30, 40]


def test_a_frame_waits_for_those_of_cameras_that_send(started):
    cameras = started(batch_wait_ms=DEADLINE_S * 1e3)
    cameras.offer(0, 10)  # nobody else has sent anything
    assert cameras.path.wait_until_begun() == 10
    assert cameras.results(1) == [(0, 10)]
    cameras.offer(1, 20)  # camera 0 has, so it waits for that
    cameras.offer(0, 11)
    assert cameras.path.batches.next_batch() == [20, 11]


def test_frames_that_wait_for_a_busy_engine_are_uploaded_side_by_side(started):
    cameras = started()
    cameras.occupy()
    loading, go = queue.Queue(), threading.Event()
    for index in range(CAMERAS):

        def load(index=index):
            loading.put(threading.current_thread().name)
            assert go.wait(DEADLINE_S)
            return np.full((2, 10 + index, 3), 10 + index, np.uint8)

        frame = Frame(load)
        frame.input_index = index
        cameras.pipeline.offer(frame)
    assert [loading.get(timeout=DEADLINE_S) for _ in range(CAMERAS)] == ['upload'] * CAMERAS
    go.set()
    cameras.path.go.set()
    assert cameras.path.batches.next_batch() == [10, 11, 12, 13]


def test_cameras_far_faster_than_the_engine_find_room_on_the_device(started):
    cameras = started()
    threads = [
        threading.Thread(target=lambda i=i: [cameras.offer(i, 1 + n) for n in range(100)])
        for i in range(CAMERAS)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(DEADLINE_S)
    wait_until(lambda: cameras.lane.counts.under_way == 0)
    counts = cameras.lane.counts
    assert counts.received == CAMERAS * 100 == counts.processed + counts.skipped


def test_a_lane_goes_on_with_a_path_without_batches_and_with_larger_ones(started):
    cameras = started(together=2)
    for options in ({}, {'together': CAMERAS}):
        cameras.occupy()
        done = queue.Queue()
        successor = cameras.make_lane(cameras.another_path(**options))
        cameras.lane.succession.request(cameras.lane, successor, done.put)
        cameras.path.go.set()
        assert cameras.results(1) == [(0, 1)]
        assert done.get(timeout=DEADLINE_S) is None
        cameras.path = cameras.paths[-1]
        cameras.occupy()
        for index, number in enumerate((10, 20, 30, 40)):
            cameras.offer(index, number)
        cameras.path.go.set()
        assert [number for _, number in cameras.results(5)] == [1, 10, 20, 30, 40]
    assert cameras.path.batches.next_batch() == [10, 20, 30, 40]
