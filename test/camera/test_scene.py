"""scene:// as a camera: its URI, its pace, its end."""

from __future__ import annotations

import threading

import numpy as np
import pytest

from jetson_perception.camera.pace import Pace
from jetson_perception.camera.scene import SceneSource
from jetson_perception.errors import EndOfStream, SourceError
from jetson_perception_scenes.oranges import CLASS_NAMES, OrangeScene

SMALL = 'scene://oranges?width=96&height=64&seed=5'


class Clock:
    """A clock that the test sets; it tells when somebody looked."""

    def __init__(self) -> None:
        self.now_s = 100.0
        self.looked = threading.Event()

    def __call__(self) -> float:
        self.looked.set()
        return self.now_s


@pytest.fixture
def opened():
    sources = []

    def make(uri: str, **options) -> SceneSource:
        source = SceneSource(uri, **options)
        source.open()
        sources.append(source)
        return source

    yield make
    for source in sources:
        source.close()


def test_frames_are_the_scene_at_their_time(opened):
    source = opened(f'{SMALL}&fps=0')
    scene = OrangeScene((96, 64), 5)
    for index in range(3):
        frame = source.read()
        pixels, truth = scene.frame(index / 30)
        np.testing.assert_array_equal(frame.pixels, pixels)
        np.testing.assert_array_equal(frame.truth_mask, truth)
        assert frame.encoding == 'bgr8'


def test_properties_of_the_source():
    source = SceneSource(SMALL)
    assert source.live
    assert source.uri == SMALL
    assert source.truth_class_names == CLASS_NAMES


@pytest.mark.parametrize(
    ('query', 'options', 'shape'),
    [
        pytest.param('?fps=0', {}, (720, 1280), id='default'),
        pytest.param('?fps=0', {'size_wh': (160, 90)}, (90, 160), id='arguments'),
        pytest.param(
            '?fps=0&width=100&height=80', {'size_wh': (160, 90)}, (80, 100), id='query_wins'
        ),
        pytest.param('/?fps=0&width=100', {'size_wh': (160, 90)}, (90, 100), id='one_of_both'),
    ],
)
def test_size(opened, query, options, shape):
    frame = opened(f'scene://oranges{query}', **options).read()
    assert frame.pixels.shape == (*shape, 3)
    assert frame.truth_mask.shape == shape


@pytest.mark.parametrize(
    ('uri', 'message'),
    [
        pytest.param('scene://', "no scene is called ''; scenes are oranges", id='no_name'),
        pytest.param('scene://apples', "no scene is called 'apples'; scenes are", id='unknown'),
        pytest.param(
            'scene://oranges?size=3',
            "unknown key 'size'; keys are width, height, fps, seed, frames",
            id='unknown_key',
        ),
        pytest.param('scene://oranges?width=0', 'width is 0; expected at least 64', id='zero'),
        pytest.param('scene://oranges?height=8', 'height is 8; expected at least 64', id='small'),
        pytest.param('scene://oranges?seed=-1', 'seed is -1; expected at least 0', id='negative'),
        pytest.param('scene://oranges?seed=x', "seed is 'x'; expected a whole number", id='text'),
        pytest.param('scene://oranges?width=', "width is ''; expected a whole", id='empty'),
        pytest.param('scene://oranges?fps=fast', "fps is 'fast'; expected frames", id='fps_text'),
        pytest.param('scene://oranges?fps=-1', 'fps is -1; expected frames a second', id='fps'),
        pytest.param('scene://oranges?fps=1e-320', '0.001 to 1000, or 0', id='fps_denormal'),
        pytest.param('scene://oranges?fps=1e308', 'fps is 1e.308; exp', id='fps_beyond'),
        pytest.param('scene://oranges?fps=1e400', 'fps is inf; expected', id='fps_infinite'),
        pytest.param(f'scene://oranges?seed={"9" * 5000}', "9…'; expected a whole", id='digits'),
        pytest.param('scene://oranges?fps=nan', 'fps is nan; expected frames', id='fps_nan'),
        pytest.param('scene://oranges?frames=0', 'frames is 0; expected at least 1', id='frames'),
        pytest.param('scene://oranges?seed=1&seed=2', 'seed is given twice', id='twice'),
        pytest.param(
            'scene://people?width=100000&height=100000',
            '100000×100000 pixels; max_image_pixels is 67108864',
            id='absurd',
        ),
    ],
)
def test_uris_that_cannot_be_used(uri, message):
    with pytest.raises(SourceError, match=message.replace('?', r'\?')):
        SceneSource(uri)


def test_end_after_the_last_frame(opened):
    source = opened(f'{SMALL}&fps=0&frames=2')
    source.read()
    source.read()
    for _ in range(2):
        with pytest.raises(EndOfStream, match='ended after 2 frames'):
            source.read()


def test_open_starts_again_from_the_beginning(opened):
    source = opened(f'{SMALL}&fps=0&frames=1')
    first = source.read().pixels.copy()
    source.open()
    np.testing.assert_array_equal(source.read().pixels, first)


def test_late_frames_are_skipped_and_the_schedule_stays(opened):
    clock = Clock()
    source = opened(f'{SMALL}&fps=10', clock_s=clock)
    scene = OrangeScene((96, 64), 5)

    def index_of(frame) -> int:
        for index in range(20):
            if (scene.frame(index / 10)[0] == frame.pixels).all():
                return index
        raise AssertionError('no frame of the schedule')

    assert index_of(source.read()) == 0
    # Read 5 ms late, the frame is the next; not one is skipped.
    clock.now_s = 100.105
    assert index_of(source.read()) == 1
    # After a long stop the newest that is due comes at once, and none of those before it.
    clock.now_s = 100.555
    assert index_of(source.read()) == 5
    clock.now_s = 100.600
    assert index_of(source.read()) == 6


def test_skipped_frames_count_as_frames(opened):
    clock = Clock()
    source = opened(f'{SMALL}&fps=10&frames=3', clock_s=clock)
    source.read()
    clock.now_s += 1.0
    with pytest.raises(EndOfStream):
        source.read()


@pytest.mark.parametrize('pace', [Pace.OFFLINE, Pace.EVERY_FRAME])
def test_who_wants_every_frame_has_every_frame(opened, pace):
    """However late the reader is: the same frames, with the numbers of the scene."""
    clock = Clock()
    source = opened(f'{SMALL}&fps=10&frames=4', pace=pace, clock_s=clock)
    scene = OrangeScene((96, 64), 5)
    assert not source.live
    for index in range(4):
        frame = source.read()
        assert frame.index == index
        np.testing.assert_array_equal(frame.pixels, scene.frame(index / 10)[0])
        clock.now_s += 0.5
    with pytest.raises(EndOfStream, match='ended after 4 frames'):
        source.read()


def test_offline_nothing_is_waited_for(opened):
    source = opened(f'{SMALL}&fps=0.001', pace=Pace.OFFLINE)
    assert [source.read().index for _ in range(3)] == [0, 1, 2]


def test_a_scene_that_ends_is_not_live():
    assert not SceneSource(f'{SMALL}&frames=3').live
    assert not SceneSource(SMALL, pace=Pace.EVERY_FRAME).live


def test_close_ends_a_read_that_waits(opened):
    clock = Clock()
    source = opened(f'{SMALL}&fps=0.001', clock_s=clock)
    source.read()
    clock.looked.clear()
    errors: list[Exception] = []

    def read() -> None:
        try:
            source.read()
        except SourceError as err:
            errors.append(err)

    reader = threading.Thread(target=read, daemon=True)
    reader.start()
    assert clock.looked.wait(10)
    closer = threading.Thread(target=source.close, daemon=True)
    closer.start()
    for thread in (closer, reader):
        thread.join(10)
        assert not thread.is_alive()
    assert 'was closed' in str(errors[0])


def test_read_before_open_and_after_close(opened):
    source = SceneSource(SMALL)
    source.close()
    with pytest.raises(SourceError, match=r'is not open; call open\(\) first'):
        source.read()
    source = opened(SMALL)
    source.close()
    source.close()
    with pytest.raises(SourceError, match='is not open'):
        source.read()
