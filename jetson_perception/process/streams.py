"""Standard streams that are there, and take any text, whatever characters their encoding has.

Terminals on a robot are often plain ASCII: over a serial line, in a container without locales,
with `PYTHONIOENCODING=ascii`. There Python raises for the first × that is printed.
"""

from __future__ import annotations

import codecs
import os
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


def open_missing_streams() -> None:
    """Have standard streams that are closed, as by `>&-`, be /dev/null.

    Python has None for such a stream, of which nothing can be asked, and the next file that is
    opened gets its number: what a library prints would go there. So call it first.
    """
    for number, (name, mode) in enumerate((('stdin', 'r'), ('stdout', 'w'), ('stderr', 'w'))):
        if getattr(sys, name) is not None:
            continue
        descriptor = os.open(os.devnull, os.O_RDWR)
        if descriptor != number and not _is_open(number):
            os.dup2(descriptor, number)
            os.close(descriptor)
            descriptor = number
        if descriptor == number:
            os.set_inheritable(number, True)
        setattr(sys, name, open(descriptor, mode))  # noqa: SIM115 - for the whole process


def _is_open(descriptor: int) -> bool:
    try:
        os.fstat(descriptor)
    except OSError:
        return False
    return True


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
