"""The recorder: what it keeps, for how long, and what of it comes out."""

import gc
import threading
import time

import pytest

from jetson_perception.tracing.recorder import COLLECTOR, MAIN, Recorder

S = 1_000_000_000
ALL = 1_000_000


@pytest.fixture(autouse=True)
def no_collection_by_itself():
    """Each would be recorded, between what a test records."""
    gc.disable()
    yield
    gc.enable()


@pytest.fixture
def recorder():
    made = Recorder(capacity=100)
    yield made
    made.until_ns = 0
    made.end_if_over(time.monotonic_ns())
    assert not made.on


def stages(recorder, first=0, most=ALL):
    part = recorder.fetch(first, most)
    return [part.names[index] for index in part.spans['stage']]


def test_nothing_is_recorded_before_anybody_asks(recorder):
    part = recorder.fetch(0, ALL)
    assert (recorder.on, len(part.spans), len(part.samples)) == (False, 0, 0)
    assert part.is_last
    assert part.is_whole


def test_a_span_comes_out_as_it_was_recorded(recorder):
    first = recorder.record(60)
    recorder.span('inference', 5, 7, frame=-3, track='lane det')
    part = recorder.fetch(first, ALL)
    (span,) = part.spans.tolist()
    assert span[1:4] == (5, 7, -3)
    assert (part.names[span[4]], part.names[span[5]]) == ('lane det', 'inference')
    assert part.next == span[0] + 1


def test_spans_belong_to_the_thread_that_records_them(recorder):
    recorder.record(60)
    thread = threading.Thread(target=recorder.span, args=('a', 1, 2), name='lane pose')
    thread.start()
    thread.join()
    recorder.span('b', 1, 2)
    part = recorder.fetch(0, ALL)
    assert [part.names[index] for index in part.spans['track']] == ['lane pose', MAIN]


def test_samples_count_the_time_of_their_own_thread(recorder):
    recorder.record(60)
    recorder.sample(1)
    while time.thread_time() < 0.02:  # some work
        pass
    before_ns = time.thread_time_ns()
    recorder.sample(2)
    first, second = recorder.fetch(0, ALL).samples
    assert first['ran_ns'] <= second['ran_ns']
    assert second['ran_ns'] >= 0.5 * before_ns
    assert second['faults'] >= first['faults'] > 0


def test_only_the_newest_are_kept_and_that_is_told(recorder):
    first = recorder.record(60)
    for number in range(100):
        recorder.span(str(number), number, number)
    assert recorder.fetch(first, ALL).is_whole
    for number in range(100, 250):
        recorder.span(str(number), number, number)
    part = recorder.fetch(first, ALL)
    assert not part.is_whole
    assert [span[1] for span in part.spans.tolist()] == list(range(150, 250))


def test_parts_are_fetched_one_after_another(recorder):
    first = recorder.record(60)
    for number in range(10):
        recorder.span(str(number), number, number)
        recorder.sample(number)
    found, parts = [], 0
    while True:
        part = recorder.fetch(first, 7)
        found += [part.names[index] for index in part.spans['stage']]
        assert len(part.spans) + len(part.samples) <= 7
        parts += 1
        if part.is_last:
            break
        first = part.next
    assert found == [str(number) for number in range(10)]
    assert parts == 3


def test_it_ends_by_itself_and_keeps_what_it_has(recorder):
    callbacks = list(gc.callbacks)
    first = recorder.record(60)
    assert gc.callbacks != callbacks
    recorder.span('in time', 1, 2)
    recorder.span('behind the end', recorder.until_ns, recorder.until_ns + 1)
    assert not recorder.on
    assert stages(recorder, first) == ['in time', 'behind the end']
    assert gc.callbacks == callbacks


def test_a_second_recording_goes_on_with_the_first(recorder):
    first = recorder.record(60)
    recorder.span('a', 1, 2)
    until_ns = recorder.until_ns
    second = recorder.record(1)
    recorder.span('b', 1, 2)
    assert recorder.until_ns == until_ns
    assert stages(recorder, first) == ['a', 'b']
    assert stages(recorder, second) == ['b']


def test_a_new_recording_forgets_the_one_before(recorder):
    recorder.record(60)
    recorder.span('old', 1, recorder.until_ns + 1)
    recorder.record(60)
    assert stages(recorder) == []


def test_it_records_as_long_as_one_of_two_nodes_wants_it(recorder):
    for who in 'ab':
        recorder.keep(who, keeps=True)
    recorder.keep('a', keeps=False)
    recorder.span('a', 1, time.monotonic_ns())
    assert recorder.on
    assert recorder.keeps
    recorder.keep('b', keeps=False)
    assert not recorder.on
    assert stages(recorder) == ['a']


def test_runs_of_the_collector_are_recorded(recorder):
    recorder.record(60)
    gc.collect()
    part = recorder.fetch(0, ALL)
    assert 'collect generation 2' in stages(recorder)
    assert {part.names[index] for index in part.spans['track']} == {COLLECTOR}
    assert (part.spans['begun_ns'] < part.spans['ended_ns']).all()


def test_names_without_end_take_no_memory_without_end(recorder):
    recorder.record(60)
    for number in range(3000):
        recorder.span(f'stage {number}', 1, 2)
    part = recorder.fetch(0, ALL)
    assert len(part.names) == 1000
    assert stages(recorder) == [''] * 100


def test_threads_record_at_once(recorder):
    recorder = Recorder()
    first = recorder.record(60)

    def record(name):
        for number in range(2000):
            recorder.span(f'{name} {number % 7}', number, number + 1, track=name)
            recorder.sample(number)

    threads = [threading.Thread(target=record, args=(name,)) for name in 'abcd']
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    part = recorder.fetch(first, ALL)
    numbers = [*part.spans['number'].tolist(), *part.samples['number'].tolist()]
    of_threads = [span for span in part.spans.tolist() if part.names[span[4]] in 'abcd']
    assert len(of_threads) == 8000
    assert len(part.samples) == 8000
    assert len(set(numbers)) == len(numbers)
    assert len(set(part.names)) == len(part.names)
    recorder.span('', 0, recorder.until_ns + 1)


@pytest.mark.parametrize('when', ['on', 'off'])
def test_during_passes_exceptions_on(recorder, when):
    if when == 'on':
        recorder.record(60)
    with pytest.raises(ZeroDivisionError), recorder.during('draw', 5):
        1 / 0  # noqa: B018
    assert stages(recorder) == (['draw'] if when == 'on' else [])
