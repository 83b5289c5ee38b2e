"""What a process ran out of, in words: memory, file handles, threads, room on a disk."""

from __future__ import annotations

import errno
import resource

from jetson_perception.printable import printable

#: cv2.Error.StsNoMem; OpenCV is not imported for it.
_OPENCV_NO_MEMORY = -4


def shortage(error: BaseException) -> str:
    """What is used up according to an error, and what to do; '' if the error says nothing of it.

    It is the machine's or the user's limit that was met, no mistake of the code that met it, so a
    traceback helps nobody.
    """
    if isinstance(error, MemoryError):
        return _of_memory(str(error))
    if type(error).__module__ == 'cv2' and getattr(error, 'code', 0) == _OPENCV_NO_MEMORY:
        return _of_memory(str(getattr(error, 'err', '')))
    if isinstance(error, OSError):
        return _of_system(error)
    if isinstance(error, RuntimeError) and str(error) == "can't start new thread":
        return (
            'no thread can be started: raise the limit of processes (`ulimit -u`, or '
            '--pids-limit of the container)'
        )
    return ''


def _of_memory(details: str) -> str:
    told = f' ({printable(details)})' if details else ''
    return (
        f'no memory is left{told}: end other programs, take smaller images, or raise the limit '
        'of the process or container'
    )


def _of_system(error: OSError) -> str:
    what = f' for {printable(str(error.filename))}' if error.filename else ''
    if error.errno == errno.ENOMEM:
        return _of_memory('')
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
