"""Foreign text made fit to be shown: one line, no control characters, a limited length.

Names, encodings, frame ids and the like come from files and from other nodes. Raw in a log they
can move a terminal's cursor, forge lines, or fill a disk.
"""

from __future__ import annotations

SHOWN_CHARACTERS = 200
"""Characters of a foreign text that are shown, unless a caller asks for another number."""

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
        # Four bytes a character at most.
        text = bytes(text[: 4 * limit + 4]).decode('utf-8', 'surrogateescape')
    elif not isinstance(text, str):
        text = str(text)
    pieces: list[str] = []
    length = 0
    # What fits is told apart from what does not by one character more than fits.
    for character in text[: limit + 1]:
        piece = _escaped(character)
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
