"""Foreign text made safe to show: one line, no control characters, a limited length.

Names, encodings, frame ids and the like come from files and from other nodes. Raw in a log they
can move a terminal's cursor, forge lines, or fill a disk.
"""

from __future__ import annotations

import logging
import reprlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

SHOWN_CHARACTERS = 200
"""Characters of a foreign text that are shown, unless a caller asks for another number."""

SHOWN_LINE_CHARACTERS = 2000
"""Characters of a whole message, of which foreign text is a part."""

SHOWN_LINES = 100
"""Lines of what a program printed, or of a traceback."""

_BRIEF = reprlib.Repr()
_BRIEF.maxlevel = 4
_BRIEF.maxlist = _BRIEF.maxtuple = _BRIEF.maxdict = _BRIEF.maxset = 20
_BRIEF.maxstring = _BRIEF.maxlong = _BRIEF.maxother = SHOWN_CHARACTERS

_SHORT_ESCAPES = {'\n': '\\n', '\r': '\\r', '\t': '\\t', '\\': '\\\\'}


def printable(text: object, limit: int = SHOWN_CHARACTERS) -> str:
    r"""`text` as one printable line of at most `limit` characters.

    Parameters
    ----------
    text : object
        A str, bytes (taken as UTF-8), or anything whose `str` is wanted. Only its first `limit`
        characters are looked at, so its size costs nothing.
    limit : int
        The most characters of the result, 1 or more.

    Returns
    -------
    str
        Characters that are not printable (control and format characters, separators of lines,
        halves of surrogate pairs, bytes that are not UTF-8) and backslashes are written as Python
        escapes. A text that is cut ends in `…`. The result can always be encoded as UTF-8.

    Examples
    --------
    >>> printable('bgr8\x1b[2J\n')
    'bgr8\\x1b[2J\\n'
    >>> printable('x' * 300, limit=5)
    'xxxx…'
    """
    if isinstance(text, bytes | bytearray | memoryview):
        # A character has at most four bytes.
        text = bytes(text[: 4 * limit + 4]).decode('utf-8', 'surrogateescape')
    elif not isinstance(text, str):
        text = _told(text, str)
    return _fitted(text, limit, keep='')


def quoted(value: object, limit: int = SHOWN_CHARACTERS) -> str:
    r"""A foreign value as it would stand in Python, printable and short: a text in quotes.

    What holds other values is shown by its first ones, so its size and depth cost nothing.

    Examples
    --------
    >>> print(quoted('a\nb'), quoted([1, 'x']), quoted(None))
    'a\nb' [1, 'x'] None
    """
    if isinstance(value, str):
        return f"'{printable(value, limit)}'"
    return printable_line(_told(value, _BRIEF.repr), limit)


def counted(count: int, noun: str) -> str:
    """A number and what it counts, in the singular or plural.

    Examples
    --------
    >>> print(counted(1, 'picture'), counted(2, 'class'), counted(0, 'frame of a camera'))
    1 picture 2 classes 0 frames of a camera
    """
    if count == 1:
        return f'1 {noun}'
    begin, of, rest = noun.partition(' of ')
    end = 'es' if begin.endswith(('s', 'x', 'ch')) else 's'
    return f'{count} {begin}{end}{of}{rest}'


def none_of(count: int, noun: str) -> str:
    """The subject of what holds for none of so many.

    Examples
    --------
    >>> print(f'{none_of(1, "picture")} can be read, {none_of(3, "picture")} can be read')
    not one picture can be read, none of the 3 pictures can be read
    """
    return f'not one {noun}' if count == 1 else f'none of the {counted(count, noun)}'


def listed(texts: Sequence[str], most: int) -> str:
    """The first of some texts, and how many more there are.

    Examples
    --------
    >>> print(listed(['a', 'b'], 2), listed(['a', 'b', 'c'], 2), sep='; ')
    a, b; a, b and 1 more
    """
    more = len(texts) - most
    return ', '.join(texts[:most]) + (f' and {more} more' if more > 0 else '')


def _told(value: object, tell: Callable[[object], str]) -> str:
    try:
        return tell(value)
    except ValueError:  # an integer of thousands of digits
        return f'a value of type {type(value).__name__}'


def printable_line(message: str, limit: int = SHOWN_LINE_CHARACTERS) -> str:
    r"""A whole message as one printable line: the last guard before a log or a topic.

    What is foreign in it goes through `printable` where the message is made. This is for what was
    forgotten there, and leaves such a message as it is: backslashes stay.

    Examples
    --------
    >>> print(printable_line('format \x1b, from C:\d'))
    format \x1b, from C:\d
    """
    if len(message) <= limit and message.isprintable():
        return message
    return _fitted(message, limit, keep='\\')


def printable_lines(text: str, limit: int = SHOWN_LINES) -> str:
    r"""What a program printed, or a traceback, as at most `limit` printable lines.

    Lines after the first are indented, so that none can pass for a line of the log itself. A
    text that is too long loses its middle: its end says what went wrong.

    Examples
    --------
    >>> printable_lines('failed:\n[INFO] all is well\x07')
    'failed:\n  [INFO] all is well\\x07'
    """
    longest = limit * SHOWN_LINE_CHARACTERS // 10  # a line has two hundred, mostly
    if len(text) > longest:
        text = f'{text[: longest // 2]}\n…\n{text[-longest // 2 :]}'
    lines = text.split('\n')
    if len(lines) > limit:
        half = limit // 2
        lines = [*lines[:half], '…', *lines[-half:]]
    first, *others = [printable_line(line.rstrip()) for line in lines]
    return '\n'.join([first, *(line if line[:1] in (' ', '') else f'  {line}' for line in others)])


class PrintableFormatter(logging.Formatter):
    """Formats log records as printable lines, whatever they contain."""

    def format(self, record: logging.LogRecord) -> str:
        """The record's text."""
        return printable_lines(super().format(record))


def _fitted(text: str, limit: int, keep: str) -> str:
    pieces: list[str] = []
    length = 0
    # One more character than fits shows whether the text was cut.
    for character in text[: limit + 1]:
        piece = character if character == keep else _escaped(character)
        pieces.append(piece)
        length += len(piece)
        if length > limit:
            while length > limit - 1:
                length -= len(pieces.pop())
            return ''.join(pieces) + '…'
    return ''.join(pieces)


def _escaped(character: str) -> str:
    short = _SHORT_ESCAPES.get(character)
    if short is not None:
        return short
    if character.isprintable():
        return character
    code = ord(character)
    if 0xDC80 <= code <= 0xDCFF:  # what surrogateescape makes of a byte that is not UTF-8
        return f'\\x{code - 0xDC00:02x}'
    if code <= 0xFF:
        return f'\\x{code:02x}'
    return f'\\u{code:04x}' if code <= 0xFFFF else f'\\U{code:08x}'
