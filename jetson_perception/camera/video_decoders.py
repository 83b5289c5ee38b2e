"""Who decodes a video: what users may ask for, and how the log says what became of it."""

from __future__ import annotations

import logging

VIDEO_DECODERS = ('auto', 'gpu', 'cpu')
"""Values of `video_decoder`: the GPU where engines of this process use it, wherever there is one
that can, never."""

_log = logging.getLogger(__name__)


def tell_decoder(uri: str, wanted: str, problem: str = '', by: str = 'NVDEC') -> None:
    """Say who decodes a video: the GPU or, if there is a problem with that, the CPU."""
    if problem:
        level = logging.WARNING if wanted == 'gpu' else logging.INFO
        _log.log(level, '%s is decoded on the CPU: %s', uri, problem)
    else:
        _log.info('%s is decoded on the GPU, by %s', uri, by)
