"""FFmpeg inside of OpenCV, and what it prints by itself."""

from __future__ import annotations

import os

_LEVEL = 'OPENCV_FFMPEG_LOGLEVEL'
_QUIET = '-8'  # AV_LOG_QUIET


def quiet_ffmpeg() -> None:
    """Have FFmpeg print nothing, unless the user wants it to; call it before it is first used.

    It writes to stderr past every log, raw: addresses with their passwords, what servers answer,
    and a line for each damaged frame. What went wrong is told by the sources themselves.
    """
    os.environ.setdefault(_LEVEL, _QUIET)
