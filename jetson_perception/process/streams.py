"""Standard output and error that take any text, whatever characters their encoding has.

Terminals on a robot are often plain ASCII: over a serial line, in a container without locales,
with `PYTHONIOENCODING=ascii`. There Python raises for the first × that is printed.
"""

from __future__ import annotations

import codecs
import sys

#: What the package prints that ASCII lacks, as ASCII has it.
PLAIN = {
    '×': 'x',
    '…': '...',
    '·': '-',
    '–': '-',
    '≥': '>=',
    '≤': '<=',
    '→': '->',
    '‰': ' per mille',
    '½': '1/2',
    'π': 'pi',
    'δ': 'delta',
    '⁶': '^6',
    '─': '-',
    '│': '|',
    '├': '|',
    '┌': '|',
    '┼': '|',
    '└': '|',
    '┐': '|',
    '┘': '|',
}

_HANDLER = 'jetson_perception.plain'


def replace_what_cannot_be_shown() -> None:
    """From now on, have standard output and error replace characters that they lack.

    Characters of ours become something that looks alike; any other, as of a foreign file name,
    becomes its Python escape.
    """
    codecs.register_error(_HANDLER, _plain)
    for stream in (sys.stdout, sys.stderr):
        # A program or test may have put something else there, which takes any text or has its
        # own way.
        reconfigure = getattr(stream, 'reconfigure', None)
        if reconfigure is not None:
            reconfigure(errors=_HANDLER)


def _plain(error: UnicodeError) -> tuple[str, int]:
    """An error handler of codecs: what to write in place of what cannot be encoded."""
    if not isinstance(error, UnicodeEncodeError):
        raise error
    lacking = error.object[error.start : error.end]
    shown = (
        PLAIN.get(each) or each.encode('ascii', 'backslashreplace').decode() for each in lacking
    )
    return ''.join(shown), error.end
