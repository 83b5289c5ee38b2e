"""What callbacks raise is logged now and then, and in diagnostics as long as it comes."""

import errno

from jetson_perception.ros.callback_errors import CallbackErrors


class Clock:
    """Time in the test's hands."""

    def __init__(self):
        self.now_s = 100.0

    def __call__(self):
        return self.now_s


def test_none_is_no_problem():
    assert CallbackErrors().problem() == ''


def test_one_is_told_for_a_while_and_logged_with_its_traceback(caplog):
    clock = Clock()
    errors = CallbackErrors(clock)
    errors.add(ZeroDivisionError('of a test'))
    told = 'a callback failed: unexpected ZeroDivisionError: of a test'
    assert errors.problem() == told
    assert caplog.records[0].exc_info
    clock.now_s += 9
    assert errors.problem() == told
    clock.now_s += 2
    assert errors.problem() == ''


def test_what_the_machine_lacks_is_one_line_however_often_it_comes(caplog):
    clock = Clock()
    errors = CallbackErrors(clock)
    for _ in range(100):
        errors.add(OSError(errno.EMFILE, 'Too many open files', 'a\x1b[2J'))
        clock.now_s += 0.01
    (line,) = caplog.messages
    assert 'no file handle of' in line
    assert r'a\x1b[2J' in line
    assert caplog.records[0].exc_info is None
    assert line == errors.problem()
