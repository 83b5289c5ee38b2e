"""How long the parts of a start take."""

import subprocess
import sys
import time

import pytest

from jetson_perception.process.start_times import StartTimes, process_began_ns


@pytest.fixture
def times():
    return StartTimes(time.monotonic_ns())


def test_nothing_was_done(times):
    assert times.pending
    assert times.finish() == []
    assert not times.pending


def test_main_parts_follow_each_other_and_others_are_within(times):
    times.done('imports')
    with times.span('converting', 'my.onnx'):
        pass
    times.done('models')
    imports, models, converting = times.finish()
    assert (imports.what, imports.whose, imports.is_main) == ('imports', '', True)
    assert (models.what, models.is_main) == ('models', True)
    assert (converting.what, converting.whose, converting.is_main) == (
        'converting',
        'my.onnx',
        False,
    )
    assert 0 <= imports.begun_s <= imports.ended_s <= models.begun_s
    assert models.begun_s <= converting.begun_s <= converting.ended_s <= models.ended_s


def test_what_fails_took_time_too(times):
    with pytest.raises(ZeroDivisionError), times.span('converting'):
        raise ZeroDivisionError
    assert [span.what for span in times.finish()] == ['converting']


def test_after_the_first_answer_nothing_counts_until_it_begins_again(times):
    times.begin_again()  # the first answer is still to come
    times.done('imports')
    assert len(times.finish()) == 1
    times.done('late')
    assert times.finish() == []
    times.begin_again()
    times.done('models')
    (models,) = times.finish()
    assert models.what == 'models'
    assert models.begun_s == 0


def test_a_process_knows_when_it_began():
    begun_s = time.monotonic()
    command = (
        'import time; time.sleep(0.2); '
        'from jetson_perception.process.start_times import process_began_ns; '
        'print(process_began_ns())'
    )
    done = subprocess.run([sys.executable, '-c', command], capture_output=True, check=True)
    assert begun_s - 0.05 <= 1e-9 * int(done.stdout) <= time.monotonic() - 0.15
    assert process_began_ns() <= time.monotonic_ns()
