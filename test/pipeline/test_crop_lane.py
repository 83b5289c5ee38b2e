"""A lane that looks at another's boxes: begins when they are there, and holds nobody back."""

import queue
import threading
from typing import NamedTuple

import numpy as np
import pytest
from pipeline.standin_model import StandInModel
from pipeline.waiting import DEADLINE_S, wait_until

from jetson_perception.errors import ModelError
from jetson_perception.pipeline import (
    Batching,
    Counts,
    CropLane,
    EveryFrame,
    Frame,
    Lane,
    Pace,
    Pipeline,
)


class Detector(StandInModel):
    """Finds as many boxes as a frame's number; fails at 66."""

    input_key = 'image'

    def preprocess(self, bgr, out=None):
        return bgr[:1, :1, 0].astype(np.float32), bgr.shape

    def infer(self, tensor):
        if tensor[0, 0] == 66:
            raise ModelError('66 is broken')
        return [tensor]

    def postprocess(self, outputs, transform, options=None):
        return list(range(int(outputs[0][0, 0])))


class Crops(NamedTuple):
    boxes: list
    left_out: int

    def __len__(self):
        return len(self.boxes)


class Looking(StandInModel):
    """Looks at boxes and gives their numbers; waits for `go`; fails at the number `broken`."""

    def __init__(self, *, held=False):
        self.model = self
        self.go = threading.Event()
        self.began = queue.Queue()
        self.batches_seen = []
        self.broken = None
        if not held:
            self.go.set()

    def cut(self, found, size_wh, options):
        assert size_wh == (3, 2)
        return Crops(found[:options], len(found[options:]))

    def batches(self, crops, together):
        return [range(i, min(i + together, len(crops))) for i in range(0, len(crops), together)]

    def fit(self, bgr, crops, indices):
        return np.array([crops.boxes[i] for i in indices], np.float32), list(indices)

    def infer(self, tensor):
        self.began.put(len(tensor))
        assert self.go.wait(DEADLINE_S)
        self.batches_seen.append(tensor.tolist())
        if self.broken in tensor:
            raise ModelError('a box is broken')
        return [tensor]

    def decode(self, outputs, transforms, options=None):
        return [int(each) for each in outputs[0]]

    def joined(self, crops, results, options):
        return tuple(results)


def frame(number):
    return Frame(lambda: np.full((2, 3, 3), number, np.uint8), header=number, age_ms=1.0)


class Cascade:
    """A detector, and a lane that looks at its boxes; what came out, and what was told."""

    def __init__(self, *more, policy=None, held=False, together=2, most=3):
        self.out, self.errors, self.settled = queue.Queue(), [], queue.Queue()
        self.looking = Looking(held=held)
        self.det = Lane('det', Detector(), self.put('det'), on_error=self.errors.append)
        self.crop = self.crop_lane('crop', self.looking, 'det', most)
        self.crop.batching = Batching(together)
        # In any order, as engines are listed.
        self.lanes = (*more, self.crop, self.det)
        self.pipeline = Pipeline(self.lanes, self.settled.put, policy=policy)

    def crop_lane(self, name, looking, follows, most=3):
        return CropLane(
            name,
            looking,
            self.put(name),
            on_error=self.errors.append,
            follows=follows,
            crop_options=lambda: most,
        )

    def put(self, name):
        return lambda frame, result: self.out.put((name, frame.header, result))

    def next(self, count=1):
        return [self.out.get(timeout=DEADLINE_S) for _ in range(count)]


@pytest.fixture
def cascade():
    """Makes cascades, and closes them."""
    made = []

    def make(*args, **kwargs):
        made.append(Cascade(*args, **kwargs))
        made[-1].pipeline.start()
        return made[-1]

    before = set(threading.enumerate())
    yield make
    for each in made:
        each.looking.go.set()
        each.pipeline.close()
    wait_until(lambda: set(threading.enumerate()) <= before)


def is_let_go(given):
    """Whether no lane holds a frame any more."""
    if not given.hold():
        return True
    given.release()
    return False


def test_no_boxes_give_a_result_all_the_same(cascade):
    both = cascade()
    given = frame(0)
    both.pipeline.offer(given)
    assert both.next(2) == [('det', 0, []), ('crop', 0, ())]
    wait_until(lambda: is_let_go(given))
    wait_until(lambda: both.crop.counts == Counts(received=1, processed=1))
    assert not both.looking.batches_seen
    assert 'inference' not in both.crop.times.summary()


def test_boxes_in_batches_up_to_the_most_and_the_rest_counted(cascade):
    both = cascade(together=2, most=3)
    both.pipeline.offer(frame(5))
    assert both.next(2) == [('det', 5, [0, 1, 2, 3, 4]), ('crop', 5, (0, 1, 2))]
    assert both.looking.batches_seen == [[0, 1], [2]]
    record = both.crop.records[0]
    assert (record.crops, record.crops_left_out) == (3, 2)
    assert {'wait', 'preprocess', 'inference', 'postprocess'} <= both.crop.times.summary().keys()


def test_the_first_engine_never_waits_and_whole_frames_are_skipped(cascade):
    both = cascade(held=True)
    frames = [frame(number) for number in range(1, 5)]
    both.pipeline.offer(frames[0])
    assert both.next() == [('det', 1, [0])]
    assert both.looking.began.get(timeout=DEADLINE_S) == 1
    for each in frames[1:]:
        both.pipeline.offer(each)
        assert both.next() == [('det', each.header, list(range(each.header)))]
    wait_until(lambda: both.crop.counts.skipped == 2)
    both.looking.go.set()
    assert both.next(2) == [('crop', 1, (0,)), ('crop', 4, (0, 1, 2))]
    assert frames[1].skipped_by == frames[2].skipped_by == {'crop'}
    wait_until(lambda: both.crop.counts == Counts(received=4, processed=2, skipped=2))
    wait_until(lambda: all(is_let_go(each) for each in frames))


def test_a_frame_that_the_first_fails_on_never_comes(cascade):
    both = cascade()
    broken = frame(66)
    both.pipeline.offer(broken)
    wait_until(lambda: broken.skipped_by == {'crop'})
    wait_until(lambda: is_let_go(broken))
    both.pipeline.offer(frame(1))
    assert both.next(2) == [('det', 1, [0]), ('crop', 1, (0,))]
    assert [str(error) for error in both.errors] == ['66 is broken']
    assert both.crop.counts.received == 1


def test_a_box_that_fails_fails_its_frame_and_no_other(cascade):
    both = cascade(together=1)
    both.looking.broken = 1
    broken = frame(2)
    both.pipeline.offer(broken)
    assert both.next() == [('det', 2, [0, 1])]
    wait_until(lambda: both.crop.counts.failed == 1)
    wait_until(lambda: is_let_go(broken))
    both.pipeline.offer(frame(1))
    assert both.next(2) == [('det', 1, [0]), ('crop', 1, (0,))]


def test_a_frame_that_the_first_leaves_out_is_left_out_by_all(cascade):
    class Second:
        enable, every, max_rate = True, 2, 0.0

    both = Cascade()
    both.det.pace = Pace(Second)
    frames = [frame(1), frame(2)]
    both.pipeline.start()
    try:
        both.pipeline.offer(frames[0])
        both.next(2)
        both.pipeline.offer(frames[1])
        assert frames[1].left_out_by == frames[1].skipped_by == {'det', 'crop'}
        assert is_let_go(frames[1])
    finally:
        both.pipeline.close()


def test_every_frame_is_settled_when_all_are_done_with_it(cascade):
    both = cascade(policy=EveryFrame())
    for number in (1, 66, 2):
        both.pipeline.offer(frame(number))
    settled = [both.settled.get(timeout=DEADLINE_S) for _ in range(3)]
    assert {each.header: each.results for each in settled} == {
        1: {'det': [0], 'crop': (0,)},
        66: {'det': None, 'crop': None},
        2: {'det': [0, 1], 'crop': (0, 1)},
    }


def test_a_lane_on_boxes_of_boxes(cascade):
    plan = Cascade()
    third = plan.crop_lane('letters', Looking(), 'crop')
    three = Cascade(third)
    third.publish = three.put('letters')
    three.pipeline.start()
    broken, given = frame(66), frame(2)
    try:
        three.pipeline.offer(broken)
        wait_until(lambda: broken.skipped_by == {'crop', 'letters'})
        three.pipeline.offer(given)
        assert three.next(3) == [
            ('det', 2, [0, 1]),
            ('crop', 2, (0, 1)),
            ('letters', 2, (0, 1)),
        ]
        wait_until(lambda: is_let_go(given))
        wait_until(lambda: is_let_go(broken))
    finally:
        three.pipeline.close()


@pytest.mark.parametrize('policy', [None, EveryFrame()], ids=['newest', 'every'])
def test_closing_lets_go_of_what_waits(policy):
    both = Cascade(policy=policy, held=True)
    both.pipeline.start()
    frames = [frame(number) for number in (1, 2, 3)]
    for each in frames:
        both.pipeline.offer(each)
        both.next()
    assert both.looking.began.get(timeout=DEADLINE_S)
    ending = threading.Thread(target=both.pipeline.close)
    ending.start()
    wait_until(lambda: all(is_let_go(each) for each in frames[1:]))
    both.looking.go.set()
    ending.join(DEADLINE_S)
    assert not ending.is_alive()
    assert is_let_go(frames[0])
