"""Put the index of an MP4 before its frames, so that browsers play it before it is there whole."""

from __future__ import annotations

import logging
import os
import shutil
from contextlib import suppress
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pathlib import Path

_log = logging.getLogger(__name__)

# A larger one would take seconds to copy, which Ctrl-C does not leave. Players, and browsers that
# read a file or a server that gives parts of one, find an index at the end too.
_LARGEST_BYTES = 128 << 20


def put_index_first(path: Path) -> bool:
    """Rewrite an MP4 as a copy that begins with its index, and is otherwise the same.

    The file is replaced by the copy once that is whole. Whatever goes wrong, it stays as it is.

    Parameters
    ----------
    path : Path
        The file; its path must be one that FFmpeg takes: absolute, since a colon may be in the
        name, and UTF-8.

    Returns
    -------
    bool
        Whether it was replaced: not without PyAV, nor where the file is large or the disk full.
    """
    copy = path.with_name(f'.{path.name}.part')
    try:
        import av

        size = path.stat().st_size
        if path.is_symlink() or size > _LARGEST_BYTES:
            return False
        if shutil.disk_usage(path.parent).free < 2 * size:
            return False
        with (
            av.open(str(path)) as source,
            av.open(str(copy), 'w', format='mp4', options={'movflags': 'faststart'}) as target,
        ):
            frames = source.streams.video[0]
            stream: Any = target.add_stream_from_template(frames)
            for packet in source.demux(frames):
                if packet.dts is not None:  # the last one is empty
                    packet.stream = stream
                    target.mux(packet)
        shutil.copymode(path, copy)
        os.replace(copy, path)
    except Exception as err:  # noqa: BLE001 - of FFmpeg, an old PyAV, the disk
        _log.info('%s keeps its index at the end: %s', path, err)
        with suppress(OSError):
            copy.unlink()
        return False
    return True
