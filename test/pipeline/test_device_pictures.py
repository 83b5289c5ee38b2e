"""Frames that a decoder left on the GPU: lanes there read them in place, others on the host."""

import gc

import numpy as np
import pytest
from pipeline.standin_device_path import StandInPreprocess

from jetson_perception.cuda import DeviceBuffer
from jetson_perception.cuda.device_picture import PicturePool
from jetson_perception.pipeline import Frame, StageTimes
from jetson_perception.pipeline.device_frames import DeviceFrames
from jetson_perception.pipeline.frame import TensorPool

WIDTH, HEIGHT, STEP = 6, 4, 8


@pytest.fixture
def pool(standin):
    pool = PicturePool(0)
    yield pool
    pool.close()


@pytest.fixture
def stream(device):
    stream = device.new_stream()
    yield stream
    stream.close()


def picture(pool, stream, value):
    with pool.device.pushed():
        memory = pool.take(STEP * HEIGHT * 3 // 2)
        memory.buffer.device.driver.memset_d8_async(
            memory.buffer.address, value, memory.buffer.nbytes, stream.raw
        )
        memory.ready.record(stream)
        return pool.picture(memory, (WIDTH, HEIGHT), STEP)


def frame_of(picture, users=1):
    def load():
        raise AssertionError('nobody needs it on the host')

    made = Frame(load, picture=picture)
    made.share(1, users, TensorPool())
    return made


class Lane:
    """One lane's part of a frame on the GPU."""

    def __init__(self, standin, device):
        self.device = device
        self.frames = DeviceFrames(device)
        self.preprocess = StandInPreprocess(standin, device, 'a')
        self.times = StageTimes()
        self.input = self.frames.add(self.preprocess, self.times)
        self.stream = device.new_stream()
        self.target = DeviceBuffer(device, (1,), np.float32)

    def take(self, frame):
        with self.device.pushed():
            tensor = frame.device_tensor(self.input)
            tensor.take(self.input, self.target, self.stream)
            frame.release()
        return tensor.image

    def value(self, standin):
        with self.device.pushed():
            self.stream.synchronize()
        return standin.view(self.target.address, (1,), np.float32)[0]

    def close(self):
        self.frames.close()
        for each in (self.preprocess, self.stream, self.target):
            each.close()


@pytest.fixture
def lane(standin, device):
    lane = Lane(standin, device)
    yield lane
    lane.close()


def test_a_lane_reads_it_where_it_lies(standin, lane, pool, stream):
    whole = picture(pool, stream, 7)
    address = whole.address
    image = lane.take(frame_of(whole))
    assert (image.address, image.step, image.encoding) == (address, STEP, 'nv12')
    assert (image.width, image.height) == (WIDTH, HEIGHT)
    assert lane.value(standin) == 7
    assert not standin.pinned


def test_its_memory_waits_for_the_gpu(standin, lane, pool, stream):
    first = picture(pool, stream, 1)
    address = first.address
    lane.take(frame_of(first))
    del first
    gc.collect()
    assert picture(pool, stream, 2).address != address  # a lane may be reading it yet
    assert lane.value(standin) == 1
    for value in (3, 4, 5, 6, 7):  # each slot of the frames, until the first is used again
        lane.take(frame_of(picture(pool, stream, value)))
        assert lane.value(standin) == value


def test_the_size_is_known_without_a_look(pool, stream, standin):
    assert frame_of(picture(pool, stream, 1)).size_wh() == (WIDTH, HEIGHT)
    assert not standin.pinned


def test_a_lane_on_another_gpu_gets_it_over_the_host(standin, lane, pool, stream):
    class Other:
        """As if it lay on another GPU."""

        def __init__(self, whole):
            self._whole, self.device = whole, object()

        def __getattr__(self, name):
            return getattr(self._whole, name)

    image = lane.take(frame_of(Other(picture(pool, stream, 9))))
    assert (image.step, image.encoding) == (WIDTH, 'nv12')
    assert lane.value(standin) == 9
    assert standin.pinned


def test_who_converts_on_the_cpu_gets_it_as_it_is(pool, stream):
    raw = frame_of(picture(pool, stream, 5)).raw()
    assert (raw.encoding, raw.width, raw.height) == ('nv12', WIDTH, HEIGHT)
    assert (raw.pixels == 5).all()
