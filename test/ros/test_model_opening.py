"""Models opened in threads: what is waited for, what is told, and who closes what."""

import threading

import pytest
from pipeline.waiting import wait_until

from jetson_perception.errors import BuildCanceled, ModelError
from jetson_perception.ros.model_opening import ModelOpening

DEADLINE_S = 30.0


class Model:
    def __init__(self):
        self.closed = 0

    def close(self):
        self.closed += 1


def opening_of(**openers):
    done = threading.Event()
    return ModelOpening(openers, done.set), done


def test_nothing_to_open():
    opening, done = opening_of()
    opening.wait_for_news()
    assert done.wait(DEADLINE_S)
    assert opening.done
    assert opening.take() == {}


def test_quick_ones_are_there_when_the_wait_ends():
    det, pose = Model(), Model()
    opening, _ = opening_of(det=lambda **_: det, pose=lambda **_: pose)
    opening.wait_for_news()
    assert opening.done
    assert opening.progress == ''
    assert opening.take() == {'det': det, 'pose': pose}
    opening.close()
    assert (det.closed, pose.closed) == (0, 0), "they are the taker's"


def test_a_build_is_reported_and_not_waited_for():
    model, built, reported = Model(), threading.Event(), threading.Event()

    def build(progress, cancel):
        progress(None, 'reading the network')
        progress(0.434, 'timing tactics')
        reported.set()
        assert built.wait(DEADLINE_S)
        return model

    opening, done = opening_of(det=lambda **_: Model(), pose=build)
    opening.wait_for_news()
    assert reported.wait(DEADLINE_S)
    assert not opening.done
    assert opening.progress == 'building engine pose 43 %: timing tactics'
    built.set()
    assert done.wait(DEADLINE_S)
    assert opening.progress == ''
    assert opening.take()['pose'] is model


def test_one_that_cannot_be_closed_keeps_no_other_open(caplog):
    class Stubborn(Model):
        def close(self):
            raise OSError('the driver is gone')

    det = Model()

    def fail(**_):
        raise ModelError('no such file')

    opening, done = opening_of(det=lambda **_: det, pose=lambda **_: Stubborn(), segment=fail)
    assert done.wait(DEADLINE_S)
    assert opening.done
    assert det.closed == 1
    assert 'the model of engine pose could not be closed' in caplog.text
    with pytest.raises(ModelError, match='no such file'):
        opening.take()


def test_the_only_engine_needs_no_name():
    built = threading.Event()

    def build(progress, cancel):
        progress(0.5, '')
        built.wait(DEADLINE_S)
        return Model()

    opening, _ = opening_of(**{'': build})
    opening.wait_for_news()
    assert opening.progress == 'building engine 50 %'
    built.set()
    opening.close()


def test_they_are_opened_side_by_side():
    together = threading.Barrier(3, timeout=DEADLINE_S)

    def load(**_):
        together.wait()
        return Model()

    opening, done = opening_of(det=load, pose=load, seg=load)
    assert done.wait(DEADLINE_S)
    assert list(opening.take()) == ['det', 'pose', 'seg']


def test_many_are_opened_a_few_at_a_time():
    opened, lock, most = [0], threading.Lock(), [0]
    goes_on = threading.Event()

    def load(**_):
        with lock:
            opened[0] += 1
            most[0] = max(most[0], opened[0])
        goes_on.wait(0.01)
        with lock:
            opened[0] -= 1
        return Model()

    openers = {str(index): load for index in range(20)}
    opening, done = opening_of(**openers)
    assert done.wait(DEADLINE_S)
    assert list(opening.take()) == list(openers)
    assert 1 < most[0] <= 4


@pytest.mark.parametrize('error', [ModelError('no memory'), ZeroDivisionError('x')])
def test_one_that_fails_closes_the_others_and_cancels_their_builds(error):
    first, building = Model(), threading.Event()

    def build(progress, cancel):
        progress(0.1, '')
        building.set()
        assert cancel.wait(DEADLINE_S)
        raise BuildCanceled('as another one failed')

    def fail(**_):
        assert building.wait(DEADLINE_S)
        raise error

    opening, done = opening_of(det=lambda **_: first, pose=build, seg=fail)
    assert done.wait(DEADLINE_S)
    assert opening.done
    assert first.closed == 1
    with pytest.raises(type(error), match=str(error)):
        opening.take()


def test_none_is_opened_after_one_that_failed():
    opened, failed = [], threading.Event()

    def fail(**_):
        failed.set()
        raise ModelError('no memory')

    def load(cancel, **_):
        assert cancel.wait(DEADLINE_S)
        opened.append(1)
        return Model()

    _, done = opening_of(**{str(index): load for index in range(3)}, bad=fail, last=load)
    assert done.wait(DEADLINE_S)
    assert opened == [1] * 3
    assert failed.is_set()


def test_closing_cancels_a_build_and_closes_models_that_nobody_took():
    first = Model()

    def build(progress, cancel):
        progress(0.1, '')
        assert cancel.wait(DEADLINE_S)
        raise BuildCanceled('as asked')

    opening, done = opening_of(det=lambda **_: first, pose=build)
    opening.wait_for_news()
    opening.close()
    assert done.is_set()
    assert first.closed == 1


def test_closing_before_anybody_took_them_closes_all():
    model = Model()
    opening, _ = opening_of(det=lambda **_: model)
    opening.wait_for_news()
    opening.close()
    opening.close()
    assert model.closed == 1


def test_an_opening_that_cannot_be_cancelled_is_closed_once_it_is_open(monkeypatch):
    monkeypatch.setattr('jetson_perception.ros.model_opening._PATIENCE_S', 0.05)
    model, goes_on = Model(), threading.Event()

    def load(progress, cancel):
        progress(None, 'loading')
        assert goes_on.wait(DEADLINE_S)
        return model

    opening, done = opening_of(det=load)
    opening.wait_for_news()
    left = opening.close()
    assert 'engine det: building has not returned since' in left.at_work()
    assert model.closed == 0
    goes_on.set()
    wait_until(left.settle)
    assert done.wait(DEADLINE_S)
    assert model.closed == 1


def test_an_opening_without_progress_is_reported_with_its_time(monkeypatch):
    monkeypatch.setattr('jetson_perception.ros.model_opening._WORTH_TELLING_S', 0.0)
    goes_on = threading.Event()
    opening, done = opening_of(det=lambda **_: goes_on.wait(DEADLINE_S) and Model())
    assert not opening.wait_for_news(timeout_s=0.01)
    assert 'engine det: opening its model has not returned since' in opening.progress
    goes_on.set()
    assert opening.wait_for_news(DEADLINE_S)
    assert done.wait(DEADLINE_S)
    assert opening.progress == ''
    opening.close()


def test_a_wait_is_interrupted(monkeypatch):
    monkeypatch.setattr('jetson_perception.ros.model_opening._PATIENCE_S', 0.01)
    goes_on = threading.Event()
    opening, done = opening_of(det=lambda **_: goes_on.wait(DEADLINE_S) and Model())
    opening.interrupt()
    assert not opening.wait_for_news(DEADLINE_S)
    left = opening.close()
    goes_on.set()
    assert done.wait(DEADLINE_S)
    wait_until(left.settle)
