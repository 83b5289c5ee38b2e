"""Errors that nobody expects, as those that everybody handles."""

from __future__ import annotations

import logging

from jetson_perception.errors import PerceptionError
from jetson_perception.printable import printable
from jetson_perception.shortages import shortage

log = logging.getLogger(__name__)


def as_expected(error: Exception, lane: str, where: str) -> PerceptionError:
    """An error of a lane as a PerceptionError.

    One that nobody expects is logged with its traceback; one of a machine that has run out of
    something is not.
    """
    if isinstance(error, PerceptionError):
        return error
    lacks = shortage(error)
    if lacks:
        return PerceptionError(f'{lane}: {lacks}')
    log.error('%s: unexpected error %s', lane, where, exc_info=error)
    return PerceptionError(f'{lane}: unexpected {type(error).__name__}: {printable(error)}')
