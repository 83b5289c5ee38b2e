"""Two nodes with one name: the later one says so, and a killed one does not count."""

import os
import re
import signal

from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus, KeyValue
from nodes.support import log_lines, newest_status, node_process, value_of, wait_for_exit
from rclpy.node import Node

from jetson_perception.ros import diagnostics
from jetson_perception.ros.namesakes import Namesakes

SAID = r'\[ERROR\].*another node is called .*/camera_node too'


def count_of(peer, name):
    return peer.node.get_node_names_and_namespaces().count((name, f'/{peer.namespace}'))


def test_the_second_node_of_a_name_says_so_until_the_first_is_killed(peer, start):
    process = node_process('camera_node', peer.namespace, source='scene://oranges')
    first = start(process)
    peer.wait_for_log(first, 'reading scene')
    second = start(process)
    line = peer.wait_for_log(second, SAID)
    assert re.search(rf'\(since \d\d\d\d-\S+ \S+, pid {first.pid} on ', line), line
    found = peer.collect('/diagnostics', DiagnosticArray)
    name = f'/{peer.namespace}/camera_node'

    def status_of_the_second():
        status = newest_status(found, name)
        if status is not None and f'pid {second.pid} ' in value_of(status, 'process'):
            return status
        return None

    status = peer.wait_for(status_of_the_second, 'what the second says of itself')
    assert status.level == diagnostics.ERROR
    assert f'is called {name} too' in status.message

    # One that was killed stays in discovery, and is no second node all the same.
    peer.watched.remove(first)
    os.kill(first.pid, signal.SIGKILL)
    wait_for_exit(first)
    peer.wait_for_log(second, 'no other node is called')
    assert count_of(peer, 'camera_node') == 2, 'or the test shows nothing'
    first._popen.returncode = 0  # it was to be killed
    assert len(log_lines(second, SAID)) == 1
    assert not log_lines(first, SAID)


class TestAlone:
    """The class itself, with time in the test's hands."""

    def made(self, peer, start_s=0.0):
        self.now_s = start_s
        node = Node('namesake', namespace=peer.namespace, context=peer.node.context)
        peer.add(node)
        return node, Namesakes(node, lambda: self.now_s)

    def test_a_node_of_others_counts_when_it_stays_longer_than_any_lease(self, peer):
        node, namesakes = self.made(peer)
        assert namesakes.problem() == ''
        other = Node('namesake', namespace=peer.namespace, context=peer.node.context)
        peer.wait_for(lambda: count_of(peer, 'namesake') == 2, 'both in discovery')
        assert namesakes.problem() == ''
        self.now_s = 29.0
        assert namesakes.problem() == ''
        self.now_s = 31.0
        name = f'/{peer.namespace}/namesake'
        assert namesakes.problem().startswith(f'another node is called {name} too: ')
        other.destroy_node()
        peer.wait_for(lambda: count_of(peer, 'namesake') == 1, 'one in discovery')
        assert namesakes.problem() == ''
        peer.remove(node)
        node.destroy_node()

    def test_the_first_is_not_the_one_to_say_so(self, peer):
        """What others send is foreign: it may be anything."""
        node, namesakes = self.made(peer)
        other = Node('namesake', namespace=peer.namespace, context=peer.node.context)
        speaks = other.create_publisher(DiagnosticArray, '/diagnostics', 10)
        peer.wait_for(lambda: count_of(peer, 'namesake') == 2, 'both in discovery')
        name = f'/{peer.namespace}/namesake'
        assert namesakes.problem() == ''

        def heard(process):
            values = [KeyValue(key='process', value=process)]
            msg = DiagnosticArray(status=[DiagnosticStatus(name=name, values=values)])

            def hears():
                speaks.publish(msg)
                return process in namesakes._heard_s

            peer.wait_for(hears, 'what the other says')

        heard('9999-later')
        self.now_s = 4.0
        assert namesakes.problem() == ''
        heard('0000-earlier\x1b[2J')
        assert 'too (since 0000-earlier\\x1b[2J): both' in namesakes.problem()
        self.now_s = 10.0
        assert namesakes.problem() == '', 'it is silent now'
        for each in (node, other):
            each.destroy_node()
