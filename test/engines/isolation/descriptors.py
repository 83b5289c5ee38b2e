"""File descriptors of this process, and a lack of them."""

import gc
import os
import resource
from contextlib import contextmanager, suppress


def descriptors():
    """Those that are open, without those that only await the garbage collector."""
    gc.collect()
    return {int(each) for each in os.listdir('/proc/self/fd') if is_open(int(each))}


def is_open(descriptor):
    """Whether it is; the one by which the folder was listed is not, any more."""
    try:
        os.fstat(descriptor)
    except OSError:
        return False
    return True


@contextmanager
def few_descriptors(count):
    """Within, only so many can be opened: the next one fails with EMFILE."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    limit = max(descriptors()) + 1 + count
    taken = []
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (limit, hard))
        with suppress(OSError):
            while True:
                taken.append(os.open(os.devnull, os.O_RDONLY))
        for _ in range(count):
            os.close(taken.pop())
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
        for each in taken:
            os.close(each)
