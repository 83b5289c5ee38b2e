"""Child processes that hear a signal which this one ignores, as under nohup."""

import signal


def hear_signals():
    """Call it in a child process before its program begins."""
    for number in (signal.SIGHUP, signal.SIGTERM):
        signal.signal(number, signal.SIG_DFL)
