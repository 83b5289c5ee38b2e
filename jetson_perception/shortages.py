"""What a process ran out of, in words: memory, file handles, threads, room on a disk."""

from __future__ import annotations

import errno
import re
import resource
from typing import TYPE_CHECKING

from jetson_perception.printable import printable
from jetson_perception.process.memory import is_out_of_memory, memory_left, why_out_of_memory

if TYPE_CHECKING:
    from collections.abc import Iterator

#: What Python says, and ONNX Runtime, of a thread that the kernel did not give them.
_NO_THREAD = re.compile(r"^can't start new thread$|pthread_create failed")


def shortage(error: BaseException) -> str:
    """What is used up according to an error, and what to do; '' if the error says nothing of it.

    It is the machine's or the user's limit that was met, no mistake of the code that met it, so a
    traceback helps nobody. What a library said of it stands at the end.
    """
    for told in _causes(error):
        lacks = lacking(told)
        if lacks:
            said = '' if isinstance(told, OSError) else _own_text(told)  # whose text is its number
            return f'{lacks}. It said: {said}' if said else lacks
    return ''


def lacking(error: BaseException) -> str:
    """The same of this error alone, without its own text and those that it was raised from."""
    lacks = _of_system(error) if isinstance(error, OSError) else ''
    if lacks:
        return lacks
    if _NO_THREAD.search(str(error)):
        left = memory_left()
        return (
            'no thread can be started: raise the limit of processes (`ulimit -u`, or '
            '--pids-limit of the container), or have memory for it'
            + (f' ({left})' if left else '')
        )
    return why_out_of_memory() if is_out_of_memory(error) else ''


def _causes(error: BaseException) -> Iterator[BaseException]:
    """An error, and those that it was raised from."""
    told: BaseException | None = error
    while told is not None:
        yield told
        told = told.__cause__


def _own_text(error: BaseException) -> str:
    if type(error).__module__ == 'cv2':  # whose whole text begins with a version and a source file
        return printable(getattr(error, 'err', error))
    return printable(error)


def _of_system(error: OSError) -> str:
    what = f' for {printable(str(error.filename))}' if error.filename else ''
    if error.errno == errno.EMFILE:
        most = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
        return (
            f'no file handle of {most} is left{what}: raise the limit of the process '
            '(`ulimit -n 65536`, or LimitNOFILE= in a unit)'
        )
    if error.errno == errno.ENFILE:
        return f'no file handle of this machine is left{what}: end other programs'
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return f'no room is left on the disk{what}: remove files there'
    return ''
