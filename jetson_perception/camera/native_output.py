"""What OpenCV and the FFmpeg inside of it print by themselves."""

from __future__ import annotations

import os
from contextlib import suppress

import cv2

_LEVEL = 'OPENCV_FFMPEG_LOGLEVEL'
_QUIET = '-8'  # AV_LOG_QUIET


def quiet_ffmpeg() -> None:
    """Have FFmpeg print nothing, unless the user wants it to; call it before it is first used.

    It writes to stderr past every log, raw: addresses with their passwords, what servers answer,
    and a line for each damaged frame. What went wrong is told by the sources themselves.
    """
    os.environ.setdefault(_LEVEL, _QUIET)


def quiet_opencv() -> None:
    """Have OpenCV print nothing, unless the user wants it to.

    It writes several lines to stderr for each picture that it cannot decode, with what the picture
    holds: a camera with a loose cable fills a disk. Such frames are counted and told by the nodes.
    """
    if 'OPENCV_LOG_LEVEL' in os.environ:
        return
    with suppress(AttributeError):  # OpenCV 4.5 has it, not every build of it
        cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_SILENT)
