"""Waiting for what another thread does, with a deadline instead of a hang."""

import threading

DEADLINE_S = 30


def wait_until(predicate):
    """Return once the predicate holds, giving way to other threads meanwhile."""
    never = threading.Event()
    for _ in range(DEADLINE_S * 1000):
        if predicate():
            return
        never.wait(0.001)
    raise AssertionError(f'nothing came of it in {DEADLINE_S} s')
