"""The heartbeat for Nav2's lifecycle manager: answered while a node is active, and only then."""

import math

import pytest
from nodes.support import node_process
from onnx_models import color_segmentation

Status = pytest.importorskip('bond.msg', reason='the messages of bond come with Nav2').Status
TOPIC = '/bond'


class Manager:
    """The manager's side of one bond, as bondcpp has it."""

    def __init__(self, peer, name, instance='manager'):
        self._peer = peer
        self.name = name
        self.instance = instance
        self.answers = []
        self._publisher = peer.node.create_publisher(Status, TOPIC, 5)
        peer.node.create_subscription(Status, TOPIC, self._on_status, 100)

    def _on_status(self, msg):
        if msg.id == self.name and msg.instance_id != self.instance:
            self.answers.append(msg)

    def say(self, until, what, active=True, **fields):
        """Beat, ten times a second, until something holds of the answers from now on."""
        self.answers.clear()
        fields = {'heartbeat_timeout': 4.0, 'heartbeat_period': 0.1} | fields
        msg = Status(id=self.name, instance_id=self.instance, active=active, **fields)
        beats = self._peer.node.create_timer(0.1, lambda: self._publisher.publish(msg))
        try:
            self._peer.wait_for(lambda: until(self.answers), what)
        finally:
            self._peer.node.destroy_timer(beats)


def lives(answers):
    return len(answers) >= 3 and all(each.active for each in answers[-3:])


def is_over(answers):
    return answers and not answers[-1].active


@pytest.fixture
def node(peer, start, tmp_path):
    model = color_segmentation(tmp_path / 'colors.onnx')
    node = start(node_process('seg_node', peer.namespace, model=str(model), autostart=False))
    peer.wait_for_state('seg_node', 'unconfigured')
    return node


def test_a_bond_lasts_while_the_node_is_active(peer, node):
    manager = Manager(peer, f'{peer.namespace}/seg_node')
    stranger = Manager(peer, 'other_node')
    assert peer.change_state('seg_node', 'configure')
    heard = peer.collect('/bond', Status)
    manager.say(lambda answers: len(heard) > 5, 'some beats')
    assert manager.answers == []  # it is not active
    assert peer.change_state('seg_node', 'activate')
    manager.say(lives, 'answers of an active node')
    assert len({each.instance_id for each in manager.answers}) == 1
    assert peer.change_state('seg_node', 'deactivate')
    peer.wait_for(lambda: is_over(manager.answers), 'the end of an inactive node')
    assert peer.change_state('seg_node', 'activate')
    manager.say(lives, 'answers of a node that is active again')
    manager.say(is_over, 'the end by the manager', active=False)
    for name, value in (('heartbeat_period', math.nan), ('heartbeat_timeout', -math.inf)):
        manager.say(lives, 'answers to what is no number', **{name: value})
    assert stranger.answers == []
    peer.watched.remove(node)
    manager.say(lives, 'answers before the end')
    assert node.end() == 0
    peer.wait_for(lambda: is_over(manager.answers), 'the end of the process')


def test_a_manager_that_is_started_again_gets_another_bond(peer, node):
    first = Manager(peer, f'/{peer.namespace}/seg_node', 'first')
    assert peer.change_state('seg_node', 'configure')
    assert peer.change_state('seg_node', 'activate')
    first.say(lives, 'answers to the first')
    (own,) = {each.instance_id for each in first.answers}
    second = Manager(peer, first.name, 'second')
    second.say(
        lambda answers: [each for each in answers if each.instance_id not in (own, 'first')],
        'answers to the second',
    )


def test_answers_of_other_nodes_are_not_answered(peer, node):
    """Nor those of the node itself, under the id of a bond that is over."""
    manager = Manager(peer, f'{peer.namespace}/seg_node')
    assert peer.change_state('seg_node', 'configure')
    assert peer.change_state('seg_node', 'activate')
    manager.say(lives, 'answers to the manager')
    (own,) = {each.instance_id for each in manager.answers}
    of_a_namesake = own[:-1] + ('0' if own[-1] != '0' else '1')
    echo = Manager(peer, manager.name, of_a_namesake)
    heard = peer.collect('/bond', Status)
    echo.say(
        lambda _: [each.instance_id for each in heard].count(of_a_namesake) > 3,
        'answers of another',
    )
    manager.say(lives, 'answers to the manager again')
    assert {each.instance_id for each in manager.answers} <= {own, of_a_namesake}
