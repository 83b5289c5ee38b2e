"""Errors that nobody expects, as those that everybody handles."""

from __future__ import annotations

import logging

from jetson_perception.errors import PerceptionError
from jetson_perception.printable import printable

log = logging.getLogger(__name__)


def as_expected(error: Exception, lane: str, where: str) -> PerceptionError:
    """An error of a lane as a PerceptionError; one that is none is logged with its traceback."""
    if isinstance(error, PerceptionError):
        return error
    log.error('%s: unexpected error %s', lane, where, exc_info=error)
    return PerceptionError(f'{lane}: unexpected {type(error).__name__}: {printable(error)}')
