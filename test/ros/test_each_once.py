"""Images that two subscriptions bring are handed on once."""

import threading
from types import SimpleNamespace

import pytest

from jetson_perception.ros.each_once import EachOnce


def image(number, sent_ns):
    return SimpleNamespace(number=number, sent_ns=sent_ns)


def handed_on(*images):
    found = []
    once = EachOnce(found.append)
    for each in images:
        once.hand_on(each)
    return found


def test_nothing_comes():
    assert handed_on() == []


@pytest.mark.parametrize(
    ('first', 'second', 'count'),
    [
        pytest.param((1, 5), (1, 5), 1, id='the same'),
        pytest.param((1, 5), (2, 6), 2, id='the next one'),
        pytest.param((1, 5), (1, 6), 2, id='another publisher that begins to count'),
        pytest.param((1, 5), (2, 5), 2, id='a clock that stands still'),
        pytest.param((None, 5), (None, 5), 2, id='no numbers'),
        pytest.param((1, 0), (1, 0), 2, id='no times'),
    ],
)
def test_two_images(first, second, count):
    assert len(handed_on(image(*first), image(*second))) == count


def test_one_that_comes_late_by_the_other_transport():
    ahead = [image(number, number) for number in range(1, 11)]
    assert handed_on(*ahead, image(1, 1)) == ahead


def test_an_image_that_cannot_be_used_is_had_too():
    called = []

    def fail(image):
        called.append(image)
        raise ValueError('odd')

    once = EachOnce(fail)
    with pytest.raises(ValueError, match='odd'):
        once.hand_on(image(1, 1))
    once.hand_on(image(1, 1))
    with pytest.raises(ValueError, match='odd'):
        once.hand_on(image(2, 2))
    assert [each.number for each in called] == [1, 2]


def test_from_two_threads_at_once():
    found = []
    once = EachOnce(found.append)
    begin = threading.Barrier(2)

    def bring():
        for number in range(1, 101):
            begin.wait()
            once.hand_on(image(number, number))

    threads = [threading.Thread(target=bring) for _ in range(2)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    assert [each.number for each in found] == list(range(1, 101))
