"""Transitions and retries in every order: none ends a node."""

import itertools

import pytest
from lifecycle_msgs.msg import Transition
from lifecycle_msgs.srv import ChangeState
from nodes.support import log_lines, node_process
from onnx_models import color_segmentation
from std_srvs.srv import Trigger

STEPS = ('configure', 'activate', 'deactivate', 'cleanup', 'retry')
#: Transitions that nobody may ask for: of the state machine itself, unknown, nonsense.
ODD = [
    Transition(id=Transition.TRANSITION_ON_CONFIGURE_SUCCESS),
    Transition(id=Transition.TRANSITION_ON_ERROR_SUCCESS),
    Transition(id=Transition.TRANSITION_DESTROY),
    Transition(id=255),
    Transition(label='transition_success'),
    Transition(label='activate\n\x1b[2J'),
]


def every_order(length):
    """Steps in a row that contain every order of so many steps (a de Bruijn sequence)."""
    word, words = [0] * (len(STEPS) * length), []

    def add(t, p):
        if t > length:
            if length % p == 0:
                words.extend(word[1 : p + 1])
            return
        word[t] = word[t - p]
        add(t + 1, p)
        for step in range(word[t - p] + 1, len(STEPS)):
            word[t] = step
            add(t + 1, t)

    add(1, 1)
    return [STEPS[index] for index in words + words[: length - 1]]


@pytest.fixture
def take(peer):
    """A function that asks the node for a step, or for a Transition; tells whether it went."""

    def ask(step):
        if step == 'retry':
            return peer.call(Trigger, 'seg_node/retry', Trigger.Request()).success
        wanted = step if isinstance(step, Transition) else Transition(label=step)
        request = ChangeState.Request(transition=wanted)
        return peer.call(ChangeState, 'seg_node/change_state', request).success

    return ask


def test_every_order_is_there():
    steps = every_order(3)
    assert set(itertools.pairwise(steps)) == set(itertools.product(STEPS, repeat=2))
    triples = zip(steps, steps[1:], steps[2:], strict=False)
    assert set(triples) == set(itertools.product(STEPS, repeat=3))


def test_no_order_of_steps_ends_a_node_with_a_model(peer, start, take, tmp_path):
    model = color_segmentation(tmp_path / 'colors.onnx')
    good = model.read_bytes()
    node = start(node_process('seg_node', peer.namespace, model=str(model), threads=1))
    peer.wait_for_state('seg_node', 'active')
    for count, step in enumerate(every_order(3)):
        # Every other while the model is broken, so that steps fail in all states.
        model.write_bytes(good if count % 10 < 5 else b'no model')
        take(step)
    model.write_bytes(good)
    for transition in ODD:
        assert not take(transition)
    if peer.state('seg_node') == 'active':
        assert take('deactivate')
    if peer.state('seg_node') == 'unconfigured':
        assert take('configure')
    assert take('activate')
    assert take('shutdown')
    for step in (*every_order(2), *ODD, 'shutdown'):
        assert not take(step)
    assert peer.state('seg_node') == 'finalized'
    peer.wait_for_log(node, 'transition shutdown refused: in state finalized there are')
    peer.wait_for_status(
        'seg_node', lambda status: status.message == 'finalized', 'diagnostics that say so'
    )


def test_a_node_that_never_came_up_can_be_shut_down_and_stays_so(peer, start, take, tmp_path):
    missing = str(tmp_path / 'missing.onnx')
    node = start(node_process('seg_node', peer.namespace, model=missing))
    peer.wait_for_log(node, 'not configured')
    assert not take('retry')
    assert take('shutdown')
    for step in (*every_order(2), *ODD, 'shutdown'):
        assert not take(step)
    answer = peer.call(Trigger, 'seg_node/retry', Trigger.Request())
    assert answer.message == 'nothing to try again: the node is finalized'
    assert not log_lines(node, 'unexpected')
