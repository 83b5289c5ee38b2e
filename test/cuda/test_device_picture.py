"""Memory for pictures: taken in turns, read by the host on demand, released with the last one."""

import gc
import threading

import numpy as np
import pytest

from jetson_perception.cuda import Resources
from jetson_perception.cuda.device_picture import PicturePool
from jetson_perception.errors import CudaError

WIDTH, HEIGHT, STEP = 6, 4, 8
NBYTES = STEP * HEIGHT * 3 // 2


class Writer:
    """A pool, and what puts pictures of one value into its memory."""

    def __init__(self):
        self.pool = PicturePool(0)
        self.device = self.pool.device
        self.stream = self.device.new_stream()

    def picture(self, value, nbytes=NBYTES):
        with self.device.pushed():
            memory = self.pool.take(nbytes)
            self.device.driver.memset_d8_async(
                memory.buffer.address, value, nbytes, self.stream.raw
            )
            memory.ready.record(self.stream)
            return self.pool.picture(memory, (WIDTH, HEIGHT), STEP)

    def close(self):
        self.stream.close()
        self.pool.close()


@pytest.fixture
def writer(standin):
    writer = Writer()
    yield writer
    writer.close()


def test_the_host_gets_it_without_padding_once_it_is_there(writer):
    picture = writer.picture(7)
    pixels = picture.on_host()
    assert pixels.shape == (HEIGHT * 3 // 2, WIDTH)
    assert pixels.flags.c_contiguous
    assert (pixels == 7).all()
    assert picture.on_host() is pixels
    assert picture.size_wh == (WIDTH, HEIGHT)


def test_who_asks_first_copies_for_all(writer, standin):
    picture, found = writer.picture(3), []
    threads = [threading.Thread(target=lambda: found.append(picture.on_host())) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert {id(each) for each in found} == {id(found[0])}


def test_memory_goes_round(writer, standin):
    first = writer.picture(1)
    address, before = first.address, standin.allocations
    second = writer.picture(2)
    assert second.address != address
    del first
    third = writer.picture(3)
    assert third.address == address
    assert standin.allocations == before + 1
    assert (second.on_host() == 2).all()


def test_memory_of_another_size_is_let_go(writer, standin):
    writer.picture(1)
    gc.collect()
    writer.picture(1, 4 * NBYTES)
    assert [memory.nbytes for memory in standin.memory.values()] == [4 * NBYTES]


def test_pictures_outlive_the_pool(standin):
    writer = Writer()
    kept = writer.picture(5)
    writer.close()
    assert len(standin.memory) == 1
    assert (kept.on_host() == 5).all()
    writer.pool.close()
    del kept
    gc.collect()
    assert not standin.memory
    assert not standin.pinned


def test_a_picture_dropped_by_another_thread_closes_the_pool(standin):
    writer = Writer()
    kept = [writer.picture(5)]
    writer.close()
    thread = threading.Thread(target=kept.clear)
    thread.start()
    thread.join()
    assert not standin.memory


def test_a_closed_pool_gives_no_memory(standin):
    pool = PicturePool(0)
    pool.close()
    pool.close()
    with pytest.raises(CudaError, match='closed'):
        pool.take(1)


def test_what_could_not_be_filled_is_given_back(standin):
    resources = Resources()
    pool = resources.add(PicturePool(0))
    pool.give_back(pool.take(NBYTES))
    resources.close()
    assert not standin.memory


def test_no_room(standin):
    standin.total_memory = NBYTES
    writer = Writer()
    kept = writer.picture(1)
    with pytest.raises(CudaError, match='out of memory'):
        writer.picture(2)
    assert np.all(kept.on_host() == 1)
    writer.close()
