"""A command from its arguments to its exit code: logs, errors for people, Ctrl-C, full disks.

Little is imported here, so that `--help` and `doctor` start even on a broken installation.
"""

from __future__ import annotations

import logging
import os
import sys
from contextlib import suppress
from typing import TYPE_CHECKING

from jetson_perception.errors import PerceptionError
from jetson_perception.files.output_files import NO_ROOM
from jetson_perception.images.pixel_limit import without_parameter
from jetson_perception.printable import PrintableFormatter, printable
from jetson_perception.process.executable import INTERRUPTED
from jetson_perception.process.streams import open_missing_streams, replace_what_cannot_be_shown

if TYPE_CHECKING:
    import argparse
    from collections.abc import Sequence


def run_command(parser: argparse.ArgumentParser, argv: Sequence[str] | None) -> int:
    """Parse the arguments and call the `command` that they choose. Returns its exit code.

    An error ends it with `error_code`, Ctrl-C with 130, wrong usage by SystemExit with 2.
    """
    open_missing_streams()
    replace_what_cannot_be_shown()
    # Read when cv2 is imported: it writes to stderr past every log, about each file that it cannot
    # open or decode. The sources and pictures say so themselves.
    os.environ.setdefault('OPENCV_LOG_LEVEL', 'SILENT')
    arguments = parser.parse_args(argv)
    error_code: int = getattr(arguments, 'error_code', 1)
    handler = logging.StreamHandler()
    handler.setFormatter(PrintableFormatter('%(levelname)s: %(message)s'))
    logging.basicConfig(
        level=logging.INFO if getattr(arguments, 'verbose', False) else logging.WARNING,
        handlers=[handler],
        force=True,
    )
    try:
        with without_parameter():
            code: int = arguments.command(arguments)
        sys.stdout.flush()
    except PerceptionError as err:
        print(f'jetson-perception: {" ".join(str(err).split())}', file=sys.stderr)
        return error_code
    except BrokenPipeError:  # the reader of the pipe has gone, such as `head`
        _drop_output()
        return error_code
    except OSError as err:
        if err.errno not in NO_ROOM:
            raise
        _drop_output()
        where = printable(err.filename or 'the output, or a temporary file,')
        print(f'jetson-perception: {where} cannot be written: {err.strerror}', file=sys.stderr)
        return error_code
    except KeyboardInterrupt:
        return INTERRUPTED
    return code


def _drop_output() -> None:
    """Discard what is left in the buffer: Python would write it at exit, and fail noisily."""
    with suppress(OSError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
