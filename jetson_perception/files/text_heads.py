"""Whether a file is a text, by how it begins."""

from __future__ import annotations

import codecs

HEAD_BYTES = 512
"""How much of a file is looked at: so much of a picture or video has bytes that no text has."""

_BLANKS = frozenset('\t\n\r\f\x1b')  # an escape begins a color
_MARKS = (
    (codecs.BOM_UTF8, 'utf-8-sig'),
    (codecs.BOM_UTF16_LE, 'utf-16'),
    (codecs.BOM_UTF16_BE, 'utf-16'),
)
_LEAST_ASCII = 0.7  # of a text in an older encoding


def is_text(head: bytes) -> bool:
    """Whether the first `HEAD_BYTES` of a file, or all of a shorter one, are printable text.

    Texts may be UTF-8, UTF-16 with its mark, or mostly ASCII in one of the older encodings.
    """
    head = head[:HEAD_BYTES]
    encoding = next((name for mark, name in _MARKS if head.startswith(mark)), 'utf-8')
    try:
        text = codecs.getincrementaldecoder(encoding)().decode(head)  # its end may be cut off
    except UnicodeDecodeError:
        if sum(byte < 0x80 for byte in head) < _LEAST_ASCII * len(head):
            return False
        text = head.decode('latin-1')
    return bool(text) and all(each.isprintable() or each in _BLANKS for each in text)
