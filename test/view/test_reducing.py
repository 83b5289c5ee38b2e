import asyncio

import cv2
import numpy as np
import pytest

from jetson_perception.view.reducing import LEVELS, Reducing, reduce
from jetson_perception.view.robot import Picture


def noise(shape=(90, 160, 3), extension='.jpg'):
    pixels = np.random.default_rng(1).integers(0, 256, shape, np.uint8)
    kind = {'.jpg': 'image/jpeg', '.png': 'image/png'}[extension]
    return Picture(cv2.imencode(extension, pixels)[1].tobytes(), kind)


def size_of(picture):
    return cv2.imdecode(np.frombuffer(picture.data, np.uint8), cv2.IMREAD_COLOR).shape[1::-1]


@pytest.mark.parametrize('extension', ['.jpg', '.png'])
def test_each_level_is_smaller_than_the_one_before(extension):
    original = noise(extension=extension)
    made = [reduce(original, level) for level in LEVELS[1:]]
    assert [size_of(each) for each in made] == [(160, 90), (80, 45), (40, 22)]
    sizes = [len(each.data) for each in (original, *made)]
    assert sizes == sorted(sizes, reverse=True)
    assert {each.content_type for each in made} == {'image/jpeg'}


def test_a_picture_that_is_small_stays_as_it_is():
    original = Picture(
        cv2.imencode('.png', np.zeros((1, 1, 3), np.uint8))[1].tobytes(), 'image/png'
    )
    assert reduce(original, LEVELS[3]) is original


def test_what_is_damaged_is_left_out():
    original = noise()
    assert reduce(Picture(b'', 'image/jpeg'), LEVELS[1]) is None
    assert reduce(Picture(original.data[:200], 'image/jpeg'), LEVELS[1]) is None


def test_a_picture_is_reduced_once_for_all_of_a_level():
    """Who leaves meanwhile takes it from nobody."""
    original = noise((720, 1280, 3))

    async def asked():
        reducing = Reducing()
        asking = [asyncio.ensure_future(reducing.reduced(original, 2)) for _ in range(5)]
        await asyncio.sleep(0)
        asking[0].cancel()
        made = await asyncio.gather(*asking[1:])
        return await reducing.reduced(original, 0), made, await reducing.reduced(noise(), 2)

    untouched, made, other = asyncio.run(asked())
    assert untouched is original
    assert all(each is made[0] for each in made)
    assert other is not made[0]
