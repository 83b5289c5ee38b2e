"""Parameters of a running node: taken with the next frame, or refused with the reason."""

import math

import numpy as np
import pytest
from nodes.support import image_message, node_process
from onnx_models import color_segmentation
from rcl_interfaces.srv import SetParameters, SetParametersAtomically
from rclpy.parameter import Parameter
from sensor_msgs.msg import Image


@pytest.fixture
def running_seg(peer, start, tmp_path):
    model = color_segmentation(tmp_path / 'colors.onnx')
    return start(
        node_process('seg_node', peer.namespace, model=str(model), allow_source_changes=True)
    )


def assert_answers(peer):
    """See that the node still handles a frame."""
    msg = image_message(np.zeros((48, 64, 3), np.uint8))
    masks = peer.collect('mask', Image)
    assert peer.ask(peer.image_publisher(), msg, masks).header == msg.header


def test_what_is_wrong_is_refused_with_the_reason(peer, running_seg):
    peer.wait_for_state('seg_node', 'active')
    for name, value, told in (
        ('blend', 1.5, 'out of range'),
        ('blend', -0.1, 'out of range'),
        ('blend', math.nan, 'out of range'),
        ('blend', 'half', "parameter blend is 'half'; expected a value of type double"),
        ('mask_size', 'tiny', "mask_size is 'tiny'; expected one of image, network"),
        ('no_such_parameter', 1, 'has no parameter no_such_parameter; config/ lists'),
    ):
        result = peer.set_parameter('seg_node', name, value)
        assert not result.successful, (name, value)
        assert told in result.reason, (name, value, result.reason)
    assert_answers(peer)


@pytest.mark.parametrize('value', [0.0, 0.3, 1.0])
def test_what_is_right_is_taken(peer, running_seg, value):
    peer.wait_for_state('seg_node', 'active')
    assert peer.set_parameter('seg_node', 'blend', value).successful
    assert peer.get_parameter('seg_node', 'blend') == value
    assert_answers(peer)


def test_what_is_used_at_configure_is_taken_when_the_node_is_cleaned_up(
    peer, running_seg, tmp_path
):
    peer.wait_for_state('seg_node', 'active')
    other = color_segmentation(tmp_path / 'other.onnx', size_wh=(32, 24))
    refused = peer.set_parameter('seg_node', 'model', str(other))
    assert not refused.successful
    assert 'model is used when the node configures' in refused.reason
    assert f'ros2 lifecycle set /{peer.namespace}/seg_node deactivate' in refused.reason
    assert peer.change_state('seg_node', 'deactivate')
    assert not peer.set_parameter('seg_node', 'model', str(other)).successful
    assert peer.change_state('seg_node', 'cleanup')
    assert peer.set_parameter('seg_node', 'model', str(other)).successful
    assert peer.set_parameter('seg_node', 'mask_size', 'network').successful
    assert peer.change_state('seg_node', 'configure')
    assert peer.change_state('seg_node', 'activate')
    msg = image_message(np.zeros((48, 64, 3), np.uint8))
    mask = peer.ask(peer.image_publisher(), msg, peer.collect('mask', Image))
    assert (mask.width, mask.height) == (32, 24)


def test_a_value_that_was_wrong_at_start_is_forgiven_when_set_right(peer, start, tmp_path):
    model = color_segmentation(tmp_path / 'colors.onnx')
    start(node_process('seg_node', peer.namespace, model=str(model), blend=7.5))
    peer.wait_for_status(
        'seg_node',
        lambda status: status.level == status.WARN and 'blend is 7.5' in status.message,
        'diagnostics that tell of blend',
    )
    assert peer.get_parameter('seg_node', 'blend') == 0.6
    assert peer.set_parameter('seg_node', 'blend', 0.75).successful
    peer.wait_for_status(
        'seg_node', lambda status: status.level == status.OK, 'diagnostics being OK'
    )


@pytest.fixture
def asked(peer):
    """What both services answer that set a parameter, sent in the type that a text has in YAML."""

    def ask(node, name, value):
        parameter = Parameter(name, value=value).to_parameter_msg()
        one, all_ = (
            (SetParameters, f'{node}/set_parameters'),
            (SetParametersAtomically, f'{node}/set_parameters_atomically'),
        )
        (result,) = peer.call(*one, SetParameters.Request(parameters=[parameter])).results
        together = SetParametersAtomically.Request(parameters=[parameter])
        return [result, peer.call(*all_, together).result]

    return ask


@pytest.mark.parametrize(
    ('executable', 'given', 'values'),
    [
        pytest.param(
            'camera_node',
            {'allow_source_changes': True, 'autostart': False},
            {'frame_rate': (30, 30.0), 'source': (0, '0')},
            id='camera',
        ),
        pytest.param(
            'seg_node',
            {'autostart': False},
            {'blend': (1, 1.0), 'mean': ([], []), 'std': ([1, 2, 3], [1.0, 2.0, 3.0])},
            id='seg',
        ),
        pytest.param(
            'yolo_node',
            {'autostart': False, 'engines': ['det']},
            {
                'det.score_threshold': (1, 1.0),
                'det.iou_threshold': ('1e-1', 0.1),
                'det.class_score_thresholds': ([], []),
                'det.mean': ([0, 0, 0], [0.0, 0.0, 0.0]),
            },
            id='yolo',
        ),
    ],
)
def test_what_yaml_reads_as_another_type_is_taken_as_from_a_file(
    peer, start, asked, executable, given, values
):
    start(node_process(executable, peer.namespace, **given))
    for name, (sent, value) in values.items():
        for result in asked(executable, name, sent):
            assert result.successful, (name, result.reason)
        got = peer.get_parameter(executable, name)
        assert (list(got) if isinstance(value, list) else got) == value
        assert type(got) is not int
