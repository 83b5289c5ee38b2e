"""Pictures of frames: what is slow or fails keeps back neither results nor other pictures."""

import queue
import threading
from contextlib import closing

import numpy as np
import pytest
from pipeline.waiting import DEADLINE_S, wait_until

from jetson_perception.pipeline import Frame, PictureCounts, PictureKind, PictureSlots


class Kind:
    """A kind of picture whose sending waits to be let go on."""

    def __init__(self, topic, wanted=True):
        self.wanted = wanted
        self.begun, self.go = queue.Queue(), threading.Event()
        self.kind = PictureKind(topic, self.choose, self.send)

    def choose(self, frame):
        return frame if self.wanted else None

    def send(self, frame):
        self.begun.put(frame)
        assert self.go.wait(DEADLINE_S)

    def wait_for(self, frame):
        assert self.begun.get(timeout=DEADLINE_S) is frame


class Slots(PictureSlots):
    """Slots of kinds, and the frames that are done with."""

    def __init__(self, *kinds):
        self.kinds = kinds
        self.done = []
        super().__init__([each.kind for each in kinds], self.done.append)

    def close(self, patience_s=DEADLINE_S):
        for each in self.kinds:
            each.go.set()
        return super().close(patience_s)


def new_frame():
    return Frame(lambda: np.zeros((2, 2, 3), np.uint8))


def test_without_kinds_every_frame_is_done_at_once():
    frame = new_frame()
    with closing(Slots()) as slots:
        slots.offer(frame)
        assert slots.done == [frame]
        assert (slots.counts(), slots.activities) == ({}, [])


def test_a_frame_that_nobody_wants_a_picture_of_is_done_at_once():
    frame = new_frame()
    with closing(Slots(Kind('annotated', wanted=False))) as slots:
        slots.offer(frame)
        assert slots.done == [frame]
        assert slots.counts()['annotated'] == PictureCounts(0, 0, 0.0)


def test_a_kind_that_is_stuck_keeps_no_other_back_and_what_it_misses_is_counted():
    stuck, quick = Kind('annotated'), Kind('mask/color')
    quick.go.set()
    frames = [new_frame() for _ in range(5)]
    with closing(Slots(stuck, quick)) as slots:
        slots.offer(frames[0])
        stuck.wait_for(frames[0])
        quick.wait_for(frames[0])
        for frame in frames[1:]:
            slots.offer(frame)  # returns, though a picture is under way
            quick.wait_for(frame)
        counts = slots.counts()
        assert counts['annotated'][:2] == (0, 3)
        assert counts['mask/color'].skipped == 0
        # Dropped pictures are done with; one is under way, and the newest waits.
        wait_until(lambda: set(slots.done) == set(frames[1:4]))
        stuck.go.set()
        stuck.wait_for(frames[4])
        wait_until(lambda: set(slots.done) == set(frames))
        assert len(slots.done) == len(frames)
        wait_until(lambda: slots.counts()['annotated'].sent == 2)
        assert slots.counts()['mask/color'].sent == 5


def test_a_frame_is_done_when_the_last_of_its_pictures_is_out():
    first, second = Kind('annotated'), Kind('mask/color')
    frame = new_frame()
    with closing(Slots(first, second)) as slots:
        slots.offer(frame)
        for each in (first, second):
            each.wait_for(frame)
        second.go.set()
        wait_until(lambda: slots.counts()['mask/color'].sent == 1)
        assert slots.done == []
        first.go.set()
        wait_until(lambda: slots.done == [frame])


def test_a_picture_that_fails_is_logged_and_its_frame_done(caplog):
    def fail(frame):
        raise ValueError('no ink')

    done = queue.Queue()
    slots = PictureSlots([PictureKind('annotated', lambda frame: frame, fail)], done.put)
    for _ in range(2):
        frame = new_frame()
        slots.offer(frame)
        assert done.get(timeout=DEADLINE_S) is frame
    assert slots.close(DEADLINE_S) == []
    told = 'unexpected ValueError: no ink'
    assert slots.counts()['annotated'] == PictureCounts(0, 0, 0.0, failed=2, problem=told)
    assert caplog.text.count('annotated drawing failed') == 1, 'it would be 30 times a second'


@pytest.mark.parametrize(
    'stuck', [pytest.param(0, id='the_first'), pytest.param(1, id='the_last')]
)
def test_closing_leaves_a_thread_behind_that_is_in_the_middle_of_a_send(stuck):
    kinds = Kind('annotated'), Kind('mask/color')
    kinds[1 - stuck].go.set()
    slots = Slots(*kinds)
    frame = new_frame()
    slots.offer(frame)
    kinds[stuck].wait_for(frame)
    (left,) = PictureSlots.close(slots, 0.2)
    assert f'{kinds[stuck].kind.topic} drawing' in left.at_work()
    slots.offer(new_frame())  # is let go
    kinds[stuck].go.set()
    wait_until(left.settle)
