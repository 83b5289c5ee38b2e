"""Subscriptions to images that move to another transport."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from nodes.test_transports import LARGE_MEMORY, driver, needs_large_sockets

from jetson_perception.dds.fast_dds import PROFILE_VARIABLES

TAKER = Path(__file__).with_name('take_images.py')


def take(peer, count):
    """What a process says, in lines, and logs, that takes so many images of the driver."""
    environ = {name: v for name, v in os.environ.items() if name not in PROFILE_VARIABLES}
    command = [sys.executable, TAKER, f'/{peer.namespace}/image', str(count)]
    ended = subprocess.run(
        command, env=environ, capture_output=True, text=True, check=True, timeout=60
    )
    return ended.stdout.split(), ended.stderr


@needs_large_sockets
@pytest.mark.alone
def test_no_image_is_lost_or_taken_twice_on_the_move_to_udp(peer):
    """The images are somewhat larger than the driver's segment: most of them come through it."""
    with driver(peer, 'reliable', '5000x4000', 5, LARGE_MEMORY):
        said, logged = take(peer, 9)
    assert 'are received over UDP' in logged
    assert said[-1] != 'moved', 'images after the last move'
    numbers = [int(each) for each in said if each.isdecimal()]
    assert numbers == list(range(numbers[0], numbers[0] + 9))
