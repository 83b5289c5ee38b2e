"""Foreign text is shown on one line, without control characters, and short."""

from __future__ import annotations

import pytest

from jetson_perception.printable import SHOWN_CHARACTERS, printable


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
