"""How a process runs its node, and ends with it."""

import signal
import subprocess
import sys
import time

from jetson_perception.process.ending import ENDED_BY_FORCE

HANG_S = 30.0
#: What an end may take at most, as users are promised.
END_S = 3.0

STUBBORN = """
import os
from dataclasses import dataclass

from jetson_perception.ros.managed_node import ManagedNode
from jetson_perception.ros.run import run_node

@dataclass(frozen=True)
class NoParams:
    pass

class Stubborn(ManagedNode):
    def __init__(self):
        super().__init__('stubborn', NoParams)
        self.create_timer(0.01, self.context.shutdown)

    def deactivate(self):
        print('hanging', flush=True)
        os.read(os.pipe()[0], 1)

run_node(Stubborn, [])
"""


def test_a_node_that_hangs_as_it_is_destroyed_is_ended_by_a_signal():
    with subprocess.Popen(
        [sys.executable, '-c', STUBBORN],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            assert process.stdout.readline() == 'hanging\n'
            begun = time.monotonic()
            process.send_signal(signal.SIGINT)
            _, said = process.communicate(timeout=HANG_S)
            assert time.monotonic() - begun < END_S
        finally:
            process.kill()
    assert process.returncode == ENDED_BY_FORCE
    assert 'so it ends by force: MainThread in ' in said
