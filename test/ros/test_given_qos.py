"""QoS of topics that a node does not have is told of: rclpy passes over it."""

import pytest
from nodes.support import log_lines, node_process, starter
from onnx_models import color_segmentation
from std_msgs.msg import String

from jetson_perception.ros import qos
from jetson_perception.ros.given_qos import (
    take_out_wrong_qos_overrides,
    unused_qos_overrides,
)


@pytest.fixture
def unused(make_node):
    """What is said of these parameters, by a node with `mask` and a fixed `labels`."""

    def said(**given):
        node = make_node(**{f'qos_overrides.{name}': value for name, value in given.items()})
        node.create_publisher(String, '/seg/mask', **qos.overridable(qos.RESULTS))
        node.create_publisher(String, '/seg/labels', qos.LATCHED)
        return unused_qos_overrides(node)

    return said


def test_nothing_is_said_of_what_has_an_effect(unused):
    assert unused() == []
    assert unused(**{'/seg/mask.publisher.depth': 3}) == []


@pytest.mark.parametrize(
    ('topic', 'hint'),
    [
        pytest.param('/seg/mesk', '; did you mean /seg/mask?', id='mistyped'),
        pytest.param('mask', '; did you mean /seg/mask?', id='without_its_namespace'),
        pytest.param('/mask', '; did you mean /seg/mask?', id='in_no_namespace'),
        pytest.param('/seg/mask_2', '; did you mean /seg/mask?', id='longer'),
        pytest.param('/zzzz', '; it has /seg/mask', id='unknown'),
        pytest.param('/seg/overlay', '; it has /seg/mask', id='unknown_in_its_namespace'),
        pytest.param('/seg/mas/z', '; it has /seg/mask', id='below_another'),
    ],
)
def test_a_topic_that_there_is_not(unused, topic, hint):
    name = f'{topic}.publisher.depth'
    (text,) = unused(**{name: 3})
    assert text == f'qos_overrides.{name} is ignored: configured has no topic {topic}{hint}'


def test_the_topics_of_a_node_that_has_many_or_none(make_node):
    given = {'qos_overrides./seg/zzzz.publisher.depth': 3}
    node = make_node(**given)
    assert unused_qos_overrides(node)[0].endswith('has no topic /seg/zzzz; it has none')
    for number in range(20):
        node.create_publisher(String, f'/seg/mask{number}', **qos.overridable(qos.RESULTS))
    (text,) = unused_qos_overrides(node)
    assert '; it has /seg/mask0, /seg/mask1, ' in text
    assert text.endswith(' and 12 more')


def test_one_line_for_each_topic(unused):
    assert len(unused(**{'/a.publisher.depth': 3, '/a.publisher.history': 'x', '/b.c.d': 1})) == 2


def test_a_policy_that_cannot_be_set(unused):
    (text,) = unused(**{'/seg/mask.subscription.depth': 3})
    assert 'of the topic /seg/mask can be set qos_overrides./seg/mask.publisher.' in text
    (text,) = unused(**{'/seg/labels.publisher.depth': 3})
    assert text.endswith('of the topic /seg/labels can be set nothing')


@pytest.mark.parametrize(
    ('policy', 'value', 'expected'),
    [
        pytest.param('reliability', 'best_effrt', "; did you mean 'best_effort'?", id='mistyped'),
        pytest.param('reliability', 'unknown', 'reliable, system_default', id='told_only'),
        pytest.param('durability', 5, 'transient_local, volatile', id='number'),
        pytest.param('history', '', 'keep_all, keep_last', id='empty'),
        pytest.param('depth', -1, 'a whole number, 0 or more', id='negative'),
        pytest.param('depth', 'many', 'a whole number, 0 or more', id='word'),
        pytest.param('depth', True, 'a whole number, 0 or more', id='truth'),
    ],
)
def test_a_value_that_there_is_not_leaves_the_default(make_node, policy, value, expected):
    name = f'qos_overrides./seg/mask.publisher.{policy}'
    node = make_node(**{name: value})
    (text,) = take_out_wrong_qos_overrides(node)
    assert text.startswith(f'{name} is {str(value)!r} and is ignored: expected ')
    assert expected in text
    node.create_publisher(String, '/seg/mask', **qos.overridable(qos.RESULTS))
    assert unused_qos_overrides(node) == []


@pytest.mark.parametrize(
    ('policy', 'value'), [('reliability', 'Best_Effort'), ('depth', 0), ('deadline', 5)]
)
def test_values_that_rclpy_takes_stay(make_node, policy, value):
    node = make_node(**{f'qos_overrides./seg/mask.publisher.{policy}': value})
    assert take_out_wrong_qos_overrides(node) == []


def test_a_node_runs_in_spite_of_a_wrong_value(peer, tmp_path):
    model = color_segmentation(tmp_path / 'my.onnx')
    wrong = f'qos_overrides./{peer.namespace}/mask.publisher.reliability'
    process = node_process('seg_node', peer.namespace, model=str(model))
    process.parameters[wrong] = 'best_effrt'
    with starter(peer, tmp_path) as start:
        node = start(process)
        peer.wait_for_log(node, "did you mean 'best_effort'")
        peer.wait_for_state('seg_node', 'active')


def test_a_node_says_it_once(peer, tmp_path):
    model = color_segmentation(tmp_path / 'my.onnx')
    wrong = f'qos_overrides./{peer.namespace}/masc.publisher.depth'
    right = [
        f'qos_overrides./{peer.namespace}/{each}.depth'
        for each in ('image.subscription', 'mask.publisher', 'annotated/compressed.publisher')
    ]
    process = node_process('seg_node', peer.namespace, model=str(model))
    process.parameters.update(dict.fromkeys([wrong, *right], 3))
    with starter(peer, tmp_path) as start:
        node = start(process)
        peer.wait_for(lambda: log_lines(node, 'is ignored: '), 'the warning')
        (line,) = log_lines(node, 'is ignored: ')
        assert f'{wrong} is ignored: seg_node has no topic' in line
        assert f'did you mean /{peer.namespace}/mask?' in line
