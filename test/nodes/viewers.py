"""Subscribers in processes of their own, as rviz2 is one: they can be stopped as a laptop can."""

import os
import signal
import subprocess
import sys
from contextlib import contextmanager

_VIEWER = """
import importlib, sys
import rclpy
from rclpy.qos import QoSProfile, QoSReliabilityPolicy

kind, reliability, *topics = sys.argv[1:]
module, _, name = kind.rpartition('.')
profile = QoSProfile(depth=5, reliability=QoSReliabilityPolicy[reliability])
rclpy.init()
node = rclpy.create_node('viewer')
left = set(topics)

def hear(topic):
    left.discard(topic)
    if not left:
        left.update(topics)
        print('heard', flush=True)

for topic in topics:
    node.create_subscription(
        getattr(importlib.import_module(module), name), topic, lambda _, t=topic: hear(t), profile
    )
rclpy.spin(node)
"""


class Viewer:
    """A process that subscribes to topics.

    Parameters
    ----------
    peer : Peer
        In whose namespace the topics are.
    message_type : type
        Of all of them.
    topics : str
        Their names.
    reliability : str
        'RELIABLE' or 'BEST_EFFORT'.
    """

    def __init__(self, peer, message_type, *topics, reliability='RELIABLE'):
        self._peer = peer
        # Without our profile: who watches has none.
        environment = {
            name: value for name, value in os.environ.items() if not name.startswith('FASTRTPS_')
        }
        kind = f'{message_type.__module__.partition("._")[0]}.{message_type.__name__}'
        names = [peer.node.resolve_topic_name(topic) for topic in topics]
        self._process = subprocess.Popen(
            [sys.executable, '-c', _VIEWER, kind, reliability, *names],
            stdout=subprocess.PIPE,
            env=environment,
        )
        os.set_blocking(self._process.stdout.fileno(), False)

    def has_heard(self):
        """Whether it has heard a message on each topic since it was last asked, or went on."""
        return bool(self._process.stdout.readline())

    def wait_until_it_hears(self):
        """Listen until it has heard a message on each topic."""
        self._peer.wait_for(self.has_heard, 'what a viewer subscribes to')

    def stop(self):
        """Have it do nothing any more, and not even say so."""
        self._process.send_signal(signal.SIGSTOP)

    def go_on(self):
        """Let it go on after `stop`, and forget what it has said."""
        while self.has_heard():
            pass
        self._process.send_signal(signal.SIGCONT)

    def end(self):
        """End it, stopped or not."""
        self._process.kill()
        self._process.wait()
        self._process.stdout.close()


@contextmanager
def viewing(peer, message_type, *topics, reliability='RELIABLE'):
    """A `Viewer`, which is ended with the block."""
    viewer = Viewer(peer, message_type, *topics, reliability=reliability)
    try:
        yield viewer
    finally:
        viewer.end()
