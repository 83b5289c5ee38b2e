"""Work that nobody waits for: the newest item or none, whatever the work raises."""

import queue
import threading

from pipeline.waiting import DEADLINE_S, wait_until

from jetson_perception.errors import ImageError
from jetson_perception.pipeline import NewestWorker


def test_the_newest_item_is_worked_on_and_older_ones_are_skipped():
    begun, go, done = queue.Queue(), threading.Event(), []

    def work(item):
        begun.put(item)
        assert go.wait(DEADLINE_S)
        done.append(item)

    worker = NewestWorker(work, 'drawing')
    assert worker.give('first') is None
    assert begun.get(timeout=DEADLINE_S) == 'first'
    left_out = [worker.give(item) for item in ('second', 'third', 'fourth')]
    assert left_out == [None, 'second', 'third']
    go.set()
    assert begun.get(timeout=DEADLINE_S) == 'fourth'
    worker.close()
    assert done == ['first', 'fourth']
    assert (worker.finished, worker.skipped) == (2, 2)
    assert worker.give('too late') == 'too late'


def test_an_error_in_the_work_is_logged_and_the_next_item_runs(caplog):
    done = queue.Queue()

    def work(item):
        done.put(item)
        if item == 'bad':
            raise ValueError('no ink')

    worker = NewestWorker(work, 'drawing')
    worker.give('bad')
    assert done.get(timeout=DEADLINE_S) == 'bad'
    worker.give('good')
    assert done.get(timeout=DEADLINE_S) == 'good'
    worker.close()
    assert (worker.finished, worker.skipped, worker.failed) == (1, 0, 1)
    assert worker.problem == ''
    assert 'drawing failed' in caplog.text
    assert 'no ink' in caplog.text


def test_images_that_cannot_be_used_are_told_of_in_one_line(caplog):
    done = queue.Queue()

    def work(item):
        done.put(item)
        raise ImageError('its data end too soon')

    worker = NewestWorker(work, 'drawing')
    for number in range(3):
        worker.give(number)
        assert done.get(timeout=DEADLINE_S) == number
    worker.close()
    assert worker.problem == 'its data end too soon'
    assert caplog.messages == ['drawing: its data end too soon']
    assert caplog.records[0].exc_info is None


def test_close_ends_the_thread_after_the_item_under_way_and_drops_the_rest():
    begun, go, done = threading.Event(), threading.Event(), []

    def work(item):
        begun.set()
        assert go.wait(DEADLINE_S)
        done.append(item)

    worker = NewestWorker(work, 'drawing to be closed')
    worker.give('under way')
    assert begun.wait(DEADLINE_S)
    worker.give('waiting')
    closing = threading.Thread(target=worker.close)
    closing.start()

    def is_closed():
        item = object()
        return worker.give(item) is item

    wait_until(is_closed)
    go.set()
    closing.join(DEADLINE_S)
    assert not closing.is_alive()
    assert done == ['under way']
    worker.give('too late')
    assert 'drawing to be closed' not in [thread.name for thread in threading.enumerate()]
