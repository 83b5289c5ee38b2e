"""States of a node, and how its process ends."""

import itertools
import os
import signal

import numpy as np
import pytest
from jetson_perception.msg import PipelineStats
from nodes.support import (
    complaints,
    has_exited,
    image_message,
    log_lines,
    node_process,
    pixels_of,
    thread_count,
    wait_for_exit,
)
from onnx_models import color_segmentation, slow_segmentation
from sensor_msgs.msg import Image


def red():
    return np.full((48, 64, 3), (0, 0, 250), np.uint8)


@pytest.fixture
def start_seg(peer, start, tmp_path):
    """Starts a seg_node with a model that answers `red` with 1 everywhere."""

    def make(**parameters):
        model = color_segmentation(tmp_path / 'colors.onnx')
        return start(
            node_process('seg_node', peer.namespace, **({'model': str(model)} | parameters))
        )

    return make


def test_a_node_configures_and_activates_itself(peer, start_seg):
    start_seg()
    peer.wait_for_state('seg_node', 'active')


def test_without_autostart_a_manager_does_it(peer, start_seg):
    node = start_seg(autostart=False)
    assert peer.state('seg_node') == 'unconfigured'
    peer.wait_for_status(
        'seg_node',
        lambda status: status.level == status.STALE and status.message == 'unconfigured',
        'diagnostics of a node that nobody configured',
    )
    assert peer.node.count_publishers('mask') == 0
    assert not peer.change_state('seg_node', 'activate')
    assert peer.change_state('seg_node', 'configure')
    assert peer.state('seg_node') == 'inactive'
    peer.wait_for_status(
        'seg_node', lambda status: status.message == 'inactive', 'diagnostics of an inactive node'
    )
    assert peer.node.count_subscribers('image') == 0
    assert peer.change_state('seg_node', 'activate')
    masks, images = peer.collect('mask', Image), peer.image_publisher()
    assert (pixels_of(peer.ask(images, image_message(red()), masks)) == 1).all()
    (line,) = complaints(node)
    assert 'transition 3 refused: in state unconfigured there are configure, shutdown' in line


def test_a_node_goes_through_its_states_again_and_again_and_leaves_no_thread(peer, start_seg):
    node = start_seg()
    peer.wait_for_state('seg_node', 'active')
    masks, images = peer.collect('mask', Image), peer.image_publisher()

    def is_at_work():
        masks.clear()
        msg = image_message(red())
        return peer.ask(images, msg, masks).header == msg.header

    def change(*transitions):
        for transition in transitions:
            assert peer.change_state('seg_node', transition), transition

    assert is_at_work()
    change('deactivate', 'activate')
    assert is_at_work()
    change('deactivate', 'cleanup')
    peer.wait_for(lambda: not peer.node.count_publishers('mask'), 'the topics being gone')
    threads_at_rest = thread_count(node)
    for _ in range(3):
        change('configure', 'activate')
        assert is_at_work()
        change('deactivate')
        peer.wait_for(lambda: not images.get_subscription_count(), 'the node being deaf')
        change('activate')
        assert is_at_work()
        change('deactivate', 'cleanup')
        peer.wait_for(lambda: thread_count(node) <= threads_at_rest, 'the threads being ended')
    assert peer.state('seg_node') == 'unconfigured'


def test_counts_start_at_zero_at_each_activation(peer, start_seg):
    start_seg()
    masks, stats = peer.collect('mask', Image), peer.collect('stats', PipelineStats)
    images = peer.image_publisher()
    for _ in range(5):
        peer.ask(images, image_message(red()), masks)
    peer.wait_for(lambda: stats and stats[-1].frames_processed >= 5, 'stats of five frames')
    assert peer.change_state('seg_node', 'deactivate')
    assert peer.change_state('seg_node', 'activate')
    stats.clear()
    peer.ask(images, image_message(red()), masks)
    peer.wait_for(
        lambda: [each for each in stats if 0 < each.frames_processed < 5], 'stats from zero'
    )


INTERRUPT, TERMINATE = [signal.SIGINT], [signal.SIGTERM]
# From launch and the terminal, or by a hand that gets impatient: in every phase of the end.
ON_AND_ON = itertools.cycle([signal.SIGINT, signal.SIGTERM])


@pytest.mark.parametrize(
    ('state', 'signals'),
    [
        pytest.param('starting', INTERRUPT, id='starting'),
        pytest.param('starting', ON_AND_ON, id='starting_on_and_on'),
        pytest.param('active', INTERRUPT, id='active'),
        pytest.param('active', TERMINATE, id='active_terminate'),
        pytest.param('active', INTERRUPT * 2, id='active_twice'),
        pytest.param('active', ON_AND_ON, id='active_on_and_on'),
        pytest.param('inferring', INTERRUPT, id='inferring'),
        pytest.param('inferring', TERMINATE, id='inferring_terminate'),
        pytest.param('inferring', ON_AND_ON, id='inferring_on_and_on'),
        pytest.param('inactive', INTERRUPT, id='inactive'),
        pytest.param('inactive', ON_AND_ON, id='inactive_on_and_on'),
        pytest.param('unconfigured', INTERRUPT, id='unconfigured'),
        pytest.param('unconfigured', TERMINATE, id='unconfigured_terminate'),
    ],
)
def test_a_signal_ends_a_node_with_0(peer, start, tmp_path, state, signals):
    parameters = {'autostart': state in ('starting', 'active', 'inferring')}
    if state == 'inferring':
        model = slow_segmentation(tmp_path / 'slow.onnx', 300)
        parameters['threads'] = 1
    else:
        model = color_segmentation(tmp_path / 'colors.onnx')
    node = start(node_process('seg_node', peer.namespace, model=str(model), **parameters))
    if state == 'inferring':
        # The second follows at once, so one of them runs when the first is answered.
        masks, images = peer.collect('mask', Image), peer.image_publisher()

        def two():
            images.publish(image_message(red()))
            return image_message(red())

        peer.send_until(images, two, lambda: masks, 'an answer')
        for _ in range(3):
            images.publish(image_message(red()))
    elif state == 'starting':
        peer.wait_for_log(node, 'ONNX Runtime')
    elif state == 'inactive':
        assert peer.change_state('seg_node', 'configure')
    else:
        peer.wait_for_state('seg_node', state)
    peer.watched.remove(node)
    for number in signals:
        os.kill(node.pid, number)
        if isinstance(signals, itertools.cycle) and has_exited(node):
            break
    assert wait_for_exit(node) == 0, node.log.read_text()
    assert not log_lines(node, r'Traceback|\[ERROR\]|terminate called')
    peer.watched.append(node)
