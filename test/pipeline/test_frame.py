"""One image for all lanes: loaded once, preprocessed once per distinct input."""

import threading

import numpy as np
import pytest
from pipeline.waiting import DEADLINE_S

from jetson_perception.errors import ImageError
from jetson_perception.pipeline import Frame
from jetson_perception.pipeline.frame import TensorPool

IMAGE = np.arange(24, dtype=np.uint8).reshape(2, 4, 3)


class Preprocess:
    """Copies the image into a tensor, and remembers what it was given."""

    def __init__(self):
        self.outs = []

    def __call__(self, bgr, out=None):
        self.outs.append(out)
        tensor = np.empty(bgr.shape, np.float32) if out is None else out
        tensor[...] = bgr
        return tensor, bgr.shape


def shared(load=lambda: IMAGE, users=1, pool=None):
    frame = Frame(load, header='the header', age_ms=1.0)
    frame.share(7, users, pool or TensorPool())
    return frame


def test_the_image_is_loaded_by_the_first_who_needs_it_and_only_once():
    loads = []
    frame = Frame(lambda: loads.append(1) or IMAGE)
    assert not loads
    assert frame.bgr() is IMAGE
    frame.share(1, 2, TensorPool())
    frame.tensor('a', Preprocess())
    frame.tensor('b', Preprocess())
    assert frame.bgr() is IMAGE
    assert loads == [1]


def test_a_gray_image_becomes_bgr_and_anything_else_is_refused():
    assert Frame(lambda: IMAGE[..., 0]).bgr().shape == (2, 4, 3)
    assert Frame(lambda: IMAGE[..., 0]).raw().pixels.shape == (2, 4, 3)
    for wrong in (None, IMAGE / 255, IMAGE.astype(np.uint16), IMAGE[:0]):
        frame, preprocess = shared(lambda wrong=wrong: wrong), Preprocess()
        with pytest.raises(ImageError, match='expected a uint8 array'):
            frame.tensor('a', preprocess)
        with pytest.raises(ImageError, match='expected a uint8 array'):
            frame.raw()
        assert not preprocess.outs


def test_lanes_of_one_key_share_a_tensor():
    frame, preprocess = shared(users=2), Preprocess()
    first, transform = frame.tensor(('640x640', 'rgb'), preprocess)
    second, _ = frame.tensor(('640x640', 'rgb'), preprocess)
    assert first is second
    assert transform == IMAGE.shape
    assert len(preprocess.outs) == 1


def test_lanes_of_different_keys_do_not():
    frame, preprocess = shared(users=2), Preprocess()
    assert frame.tensor('rgb', preprocess)[0] is not frame.tensor('bgr', preprocess)[0]
    assert len(preprocess.outs) == 2


def test_a_tensor_is_written_again_only_after_the_last_lane_released_it():
    pool, preprocess = TensorPool(), Preprocess()
    first = shared(users=2, pool=pool)
    tensor, _ = first.tensor('key', preprocess)
    first.release()
    second = shared(pool=pool)
    assert second.tensor('key', preprocess)[0] is not tensor
    first.release()
    third = shared(pool=pool)
    assert third.tensor('key', preprocess)[0] is tensor
    assert [out is tensor for out in preprocess.outs] == [False, False, True]


def test_a_tensor_comes_back_under_its_own_key():
    pool, preprocess = TensorPool(), Preprocess()
    first = shared(pool=pool)
    first.tensor('key', preprocess)
    first.release()
    shared(pool=pool).tensor('other', preprocess)
    assert preprocess.outs == [None, None]


def test_a_frame_released_by_everybody_gives_its_tensors_back_once():
    pool = TensorPool()
    frame = shared(users=2, pool=pool)
    tensor, _ = frame.tensor('key', Preprocess())
    frame.release()
    frame.release()
    assert pool.take('key') is tensor
    assert pool.take('key') is None


def test_release_waits_for_no_lane_that_is_making_a_tensor():
    making, go_on = threading.Event(), threading.Event()

    def slow(bgr, out=None):
        making.set()
        assert go_on.wait(DEADLINE_S)
        return bgr, None

    frame = shared(users=2)
    lane = threading.Thread(target=frame.tensor, args=('key', slow))
    lane.start()
    assert making.wait(DEADLINE_S)
    skipping = threading.Thread(target=frame.release)
    skipping.start()
    skipping.join(DEADLINE_S)
    waited = skipping.is_alive()
    go_on.set()
    lane.join(DEADLINE_S)
    assert not waited


def test_release_without_any_tensor_does_no_harm():
    pool = TensorPool()
    shared(pool=pool).release()
    assert pool.take('key') is None


def test_an_image_that_cannot_be_loaded_is_an_error_for_every_lane():
    def load():
        raise ImageError('image is 0×0')

    frame = shared(load, users=2)
    for _ in range(2):
        with pytest.raises(ImageError, match='image is 0×0'):
            frame.tensor('key', Preprocess())
        frame.release()


def test_the_header_comes_back_as_it_was_given():
    header = object()
    assert Frame(lambda: IMAGE, header).header is header
