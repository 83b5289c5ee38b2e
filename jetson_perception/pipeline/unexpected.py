"""Errors that nobody expects, as those that everybody handles."""

from __future__ import annotations

import logging

from jetson_perception.errors import PerceptionError
from jetson_perception.printable import printable
from jetson_perception.process.memory import is_out_of_memory, why_out_of_memory

log = logging.getLogger(__name__)


def as_expected(error: Exception, lane: str, where: str) -> PerceptionError:
    """An error of a lane as a PerceptionError; one that nobody knows is logged with traceback."""
    if isinstance(error, PerceptionError):
        return error
    if is_out_of_memory(error):
        return PerceptionError(f'{lane}: {why_out_of_memory()}')
    log.error('%s: unexpected error %s', lane, where, exc_info=error)
    return PerceptionError(f'{lane}: unexpected {type(error).__name__}: {printable(error)}')
