"""Foreign text is shown on one line, without control characters, and short."""

from __future__ import annotations

import logging

import pytest

from jetson_perception.errors import ModelError, SourceError
from jetson_perception.printable import (
    SHOWN_CHARACTERS,
    PrintableFormatter,
    printable,
    printable_line,
    printable_lines,
    quoted,
)


@pytest.mark.parametrize(
    ('text', 'shown'),
    [
        pytest.param('', '', id='empty'),
        pytest.param('bgr8', 'bgr8', id='plain'),
        pytest.param('Käse 日本 😀', 'Käse 日本 😀', id='letters_of_any_script'),
        pytest.param('a\nb\r\tc', 'a\\nb\\r\\tc', id='lines'),
        pytest.param('\x1b]0;title\x07', '\\x1b]0;title\\x07', id='terminal_codes'),
        pytest.param('\x9b2J', '\\x9b2J', id='eight_bit_terminal_code'),
        pytest.param('a\u2028b\u202ec\u200bd', 'a\\u2028b\\u202ec\\u200bd', id='separators_bidi'),
        pytest.param('\U000e0041', '\\U000e0041', id='tag_character'),
        pytest.param('caf\udce9.jpg', 'caf\\xe9.jpg', id='surrogate_escape'),
        pytest.param('\ud800', '\\ud800', id='half_of_a_pair'),
        pytest.param('C:\\n', 'C:\\\\n', id='backslash'),
        pytest.param(b'caf\xe9', 'caf\\xe9', id='bytes_not_utf8'),
        pytest.param('Käse'.encode(), 'Käse', id='bytes_utf8'),
        pytest.param(1.5, '1.5', id='number'),
        pytest.param(None, 'None', id='none'),
    ],
)
def test_shown_as(text, shown):
    assert printable(text) == shown


@pytest.mark.parametrize('text', ['x' * 10**6, '\x1b' * 10**6, b'\xff' * 10**6, '😀' * 10**6])
def test_a_long_text_is_cut(text):
    shown = printable(text)
    assert len(shown) <= SHOWN_CHARACTERS
    assert len(shown) > SHOWN_CHARACTERS - 12
    assert shown.endswith('…')


def test_a_text_as_long_as_the_limit_is_not_cut():
    assert printable('x' * 200) == 'x' * 200
    assert printable('x' * 201) == 'x' * 199 + '…'


def test_no_escape_is_cut_in_two():
    assert printable('ab\x1b', limit=5) == 'ab…'
    assert printable('ab\x1b', limit=6) == 'ab\\x1b'
    assert printable('\x1b', limit=1) == '…'


def test_every_character_becomes_printable():
    for start in range(0, 0x110000, 50):
        characters = map(chr, range(start, min(start + 50, 0x110000)))
        shown = printable(''.join(characters), limit=1000)
        assert shown.isprintable()
        shown.encode('utf-8')


@pytest.mark.parametrize(
    ('value', 'shown'),
    [
        pytest.param('a\nb', "'a\\nb'", id='text'),
        pytest.param(None, 'None', id='none'),
        pytest.param([1, 'x\x1b'], "[1, 'x\\x1b']", id='list'),
        pytest.param(10**5000, 'a value of type int', id='thousands_of_digits'),
    ],
)
def test_quoted(value, shown):
    assert quoted(value) == shown


def test_quoted_values_that_hold_others_are_short():
    nested = []
    for _ in range(100_000):
        nested = [nested]
    for value in ('x' * 10**6, [1] * 10**6, dict.fromkeys(range(10**5)), nested, b'x' * 10**6):
        assert len(quoted(value)) <= SHOWN_CHARACTERS + 2


@pytest.mark.parametrize(
    ('message', 'shown'),
    [
        pytest.param('', '', id='empty'),
        pytest.param('C:\\n is shown', 'C:\\n is shown', id='backslashes_stay'),
        pytest.param('a\nb\x1b', 'a\\nb\\x1b', id='control'),
        pytest.param('x' * 2000, 'x' * 2000, id='fits'),
        pytest.param('x' * 2001, 'x' * 1999 + '…', id='too_long'),
        pytest.param('\x1b' * 10**6, '\\x1b' * 499 + '…', id='too_long_when_escaped'),
    ],
)
def test_a_message_is_one_line(message, shown):
    assert printable_line(message) == shown


@pytest.mark.parametrize(
    ('text', 'shown'),
    [
        pytest.param('', '', id='empty'),
        pytest.param('a\n\nb', 'a\n\n  b', id='indented'),
        pytest.param('a\n  b\n', 'a\n  b\n', id='indented_already'),
        pytest.param('a\r\n[INFO] b\x07', 'a\n  [INFO] b\\x07', id='forged'),
        pytest.param(
            '\n'.join('x' * 101), '\n'.join(['x', *['  x'] * 49, '  …', *['  x'] * 50]), id='long'
        ),
    ],
)
def test_lines(text, shown):
    assert printable_lines(text) == shown
    assert printable_lines(shown) == shown


@pytest.mark.parametrize('text', ['x', '\n', 'a\n', '\x1b\n'])
def test_many_lines_are_cut(text):
    shown = printable_lines(text * 10**6)
    assert len(shown) < 21_000
    assert shown.count('\n') <= 100


def test_every_error_is_one_printable_line():
    error = ModelError('a.onnx\n[INFO] all is well\x1b' + 'x' * 10**6)
    assert str(error).startswith('a.onnx\\n[INFO] all is well\\x1bxxx')
    assert len(str(error)) <= 2000


def test_the_output_of_a_program_is_below_the_error():
    assert str(SourceError('it printed:', printed='a\nb\x1b')) == 'it printed:\na\n  b\\x1b'


def test_a_log_is_printable():
    formatter = PrintableFormatter('%(levelname)s: %(message)s')
    record = logging.makeLogRecord(
        {'msg': 'a\n%s', 'args': ('b\x1b' * 10**6,), 'levelname': 'INFO'}
    )
    lines = formatter.format(record).split('\n')
    assert lines[0] == 'INFO: a'
    assert all(len(line) < 2100 and line.isprintable() for line in lines)
