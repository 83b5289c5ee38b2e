"""A viewer behind 10 Mbit/s, while pictures of ten times as much come."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip('aiohttp')

pytestmark = pytest.mark.alone

SCRIPT = Path(__file__).with_name('thin_link.py')
NO_RIGHTS = 77
SECONDS = 2


@pytest.mark.parametrize('way', ['socket', pytest.param('mjpeg', marks=pytest.mark.slow)])
def test_it_gets_new_pictures_often_enough(way):
    own_network = ['unshare', '--net', '--map-root-user']
    command = [*own_network, sys.executable, str(SCRIPT), '10mbit', str(SECONDS), way]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    except FileNotFoundError:
        pytest.skip('there is no unshare')
    if done.returncode == NO_RIGHTS or done.stderr.startswith('unshare: '):
        pytest.skip(f'no network of its own can be made: {done.stderr}')
    assert done.returncode == 0, done.stderr
    got = json.loads(done.stdout)
    assert got['original_bytes'] * 5 * 8 > 10e6  # as they come, the link does not carry five
    assert got['rate'] >= 5.0, got
    assert got['oldest_s'] < 1.0, got
    assert got['offered_hz'] > 25.0, got
