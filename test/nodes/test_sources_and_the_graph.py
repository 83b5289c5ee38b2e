"""What nodes open comes from their start: real nodes, and a participant that wants another."""

from dataclasses import replace

import cv2
import numpy as np
import pytest
import yaml
from nodes.support import BEST_EFFORT, log_lines, node_process
from onnx_models import color_segmentation, detector
from rcl_interfaces.msg import ParameterType
from rcl_interfaces.srv import (
    GetParameters,
    ListParameters,
    SetParameters,
    SetParametersAtomically,
)
from rclpy.parameter import Parameter
from sensor_msgs.msg import Image

from jetson_perception.nodes.camera_node import CameraNode
from jetson_perception.nodes.seg_node import SegNode
from jetson_perception.nodes.yolo_node import YoloNode

PLUGIN = 'gst://--gst-plugin-load=/tmp/x.so videotestsrc ! identity'


def request(*pairs):
    return [Parameter(name, value=value).to_parameter_msg() for name, value in pairs]


def set_all(peer, node, *pairs):
    """As `ros2 param set` and `load` send them: a result each."""
    answer = peer.call(
        SetParameters,
        f'{node}/set_parameters',
        SetParameters.Request(parameters=request(*pairs)),
    )
    return [result.successful for result in answer.results]


def set_together(peer, node, *pairs):
    """All or none."""
    return peer.call(
        SetParametersAtomically,
        f'{node}/set_parameters_atomically',
        SetParametersAtomically.Request(parameters=request(*pairs)),
    ).result


def all_parameters(peer, node):
    """By name, as `ros2 param dump` asks for them: all at once."""
    names = peer.call(ListParameters, f'{node}/list_parameters', ListParameters.Request())
    names = list(names.result.names)
    values = peer.call(
        GetParameters, f'{node}/get_parameters', GetParameters.Request(names=names)
    ).values
    assert len(values) == len(names)
    return dict(zip(names, values, strict=True))


def picture_folder(path, gray=100):
    path.mkdir()
    cv2.imwrite(str(path / '0.png'), np.full((48, 64, 3), gray, np.uint8))
    return f'images://{path}'


class TestCamera:
    def test_takes_no_source_from_the_graph(self, peer, start, tmp_path):
        """In no state, in no batch; it goes on with its own, and tries that again when asked."""
        target = tmp_path / 'written'
        writes = f'gst://videotestsrc num-buffers=1 ! tee ! filesink location={target} t. ! queue'
        node = start(node_process('camera_node', peer.namespace, source=str(tmp_path / 'later')))
        peer.wait_for_log(node, 'not configured: .*later')
        for state in ('unconfigured', 'inactive', 'active'):
            assert peer.state('camera_node') == state
            for source in (PLUGIN, writes, '/etc/passwd', ''):
                result = peer.set_parameter('camera_node', 'source', source)
                assert not result.successful
                assert 'source names what ' in result.reason
                assert 'or with the parameter allow_source_changes:=true' in result.reason
            assert set_all(
                peer,
                'camera_node',
                ('allow_source_changes', True),
                ('source', PLUGIN),
                ('calibration', '/etc/shadow'),
                ('loop', True),
            ) == [False, False, False, True]
            both = set_together(peer, 'camera_node', ('frame_id', 'x'), ('source', PLUGIN))
            assert not both.successful
            assert peer.get_parameter('camera_node', 'source') == str(tmp_path / 'later')
            assert peer.get_parameter('camera_node', 'frame_id') == ''
            if state == 'unconfigured':
                picture_folder(tmp_path / 'later')
                assert peer.change_state('camera_node', 'configure')
            elif state == 'inactive':
                assert peer.change_state('camera_node', 'activate')
        images = peer.collect('image_raw', Image, BEST_EFFORT)
        peer.wait_for(lambda: images, 'an image of the source that was given at the start')
        assert not target.exists()

    def test_given_to_another_node_it_publishes_nothing_and_says_why(self, peer, start, tmp_path):
        file = tmp_path / 'my.yaml'
        file.write_text('camera: {ros__parameters: {source: "scene://oranges"}}')
        node = start(node_process('camera_node', peer.namespace, parameter_file=file))
        line = peer.wait_for_log(node, 'not configured: .* So source is not set; start the node w')
        told = (
            f'{file} sets nothing for /{peer.namespace}/camera_node: it has parameters of '
            f'/camera; put them under /{peer.namespace}/camera_node, or under /** for every node'
        )
        assert f'not configured: {told}' in line
        assert 'scene://oranges is a rendered scene' in line
        assert 'with the parameter allow_source_changes:=true to set it from the graph' in line
        assert len(log_lines(node, 'sets nothing for')) == 1
        status = peer.wait_for_status('camera_node', lambda status: True, 'a status')
        assert status.message in line
        assert peer.state('camera_node') == 'unconfigured'


class TestOwnSource:
    """Of seg_node and yolo_node, which may read a source themselves."""

    @pytest.mark.parametrize('is_given', [True, False], ids=['given_one', 'given_none'])
    def test_none_is_taken_from_the_graph(self, peer, run, tmp_path, is_given):
        given = picture_folder(tmp_path / 'pictures') if is_given else ''
        model = str(color_segmentation(tmp_path / 'seg.onnx'))
        node = run(SegNode, model=model, source=given, autostart=False)
        target = tmp_path / 'written'
        writes = f'gst://videotestsrc num-buffers=1 ! tee ! filesink location={target} t. ! queue'
        for step in ('configure', 'activate', 'deactivate', 'cleanup'):
            for name, value in (
                ('source', PLUGIN),
                ('source', writes),
                ('calibration', '/etc/passwd'),
                ('calibration_output', str(target)),
                ('allow_source_changes', True),
            ):
                assert not peer.set_parameter('seg_node', name, value).successful, (step, name)
            both = ('recorded_stamps', False), ('source', PLUGIN)
            assert 'source names what ' in set_together(peer, 'seg_node', *both).reason
            assert peer.get_parameter('seg_node', 'recorded_stamps') is True
            assert peer.get_parameter('seg_node', 'source') == given
            assert peer.change_state('seg_node', step)
        assert node.problem == ''
        assert not target.exists()

    def test_one_is_taken_where_the_start_allows_it(self, peer, run, tmp_path):
        model = str(detector(tmp_path / 'det.onnx'))
        run(YoloNode, det__model=model, allow_source_changes=True)
        source = picture_folder(tmp_path / 'pictures')
        refused = peer.set_parameter('yolo_node', 'source', source)
        assert 'source is used when the node configures' in refused.reason
        for step in ('deactivate', 'cleanup'):
            assert peer.change_state('yolo_node', step)
        assert peer.set_parameter('yolo_node', 'source', source).successful
        images = peer.collect('camera/image_raw', Image, BEST_EFFORT)
        assert peer.set_parameter('yolo_node', 'loop', True).successful
        for step in ('configure', 'activate'):
            assert peer.change_state('yolo_node', step)
        peer.wait_for(lambda: images, 'an image of the new source')


@pytest.mark.parametrize(
    ('kind', 'text', 'told'),
    [
        pytest.param(CameraNode, '{}', 'source is not set; start the node with what', id='camera'),
        pytest.param(
            CameraNode,
            '{video_device: /dev/video7}',
            'camera_node has no parameter video_device; did you mean source?',
            id='camera_by_the_name_of_another_package',
        ),
        pytest.param(
            CameraNode,
            f'{{source: "{PLUGIN}"}}',
            'contains the word --gst-plugin-load, but a pipeline has no options',
            id='camera_with_options',
        ),
        pytest.param(
            SegNode,
            '{}',
            'model is not set; start the node with an ONNX file, such as --ros-args -p '
            'model:=/models/my.onnx, '
            'or with the name of a model that comes with the package: oranges',
            id='seg',
        ),
        pytest.param(
            YoloNode,
            '{}',
            'det.model is not set; start the node with an ONNX file, such as --ros-args -p '
            'det.model:=/models/my.onnx, '
            'or with the name of a model that comes with the package: people_detect, people_pose',
            id='yolo',
        ),
        pytest.param(
            YoloNode,
            '{model_path: my.onnx}',
            'yolo_node has no parameter model_path; did you mean det.model?',
            id='yolo_by_another_name',
        ),
        pytest.param(CameraNode, '{source: 93}', '', id='camera_by_number'),
    ],
)
def test_what_a_node_says_about_its_file(peer, tmp_path, kind, text, told):
    file = tmp_path / 'my.yaml'
    file.write_text(f'/**: {{ros__parameters: {text}}}')
    line = ['--ros-args', '--params-file', str(file)]
    node = kind(context=peer.node.context, namespace=peer.namespace, cli_args=line)
    try:
        node.bring_up(['node', *line])
        assert told in node.problem
        assert node.configured == (told == '')
        if not told:
            assert node._reader.uri == 'v4l2:///dev/video93'
    finally:
        node.destroy_node()


class TestModels:
    def test_of_yolo_come_from_the_start_also_for_engines_named_later(self, peer, start, tmp_path):
        model = str(detector(tmp_path / 'my.onnx'))
        names = tmp_path / 'names.txt'
        node = start(
            node_process(
                'yolo_node',
                peer.namespace,
                engines=['a'],
                a__model=model,
                a__class_names_file=str(names),
            )
        )
        peer.wait_for_log(node, 'not configured: .*names.txt')
        secret = tmp_path / 'secret'
        secret.write_text('root:secret')
        for name, value in (
            ('a.model', str(secret)),
            ('a.model', 'people_detect'),
            ('a.class_names_file', str(secret)),
            ('b.model', str(secret)),
        ):
            assert not peer.set_parameter('yolo_node', name, value).successful, name
        assert peer.set_parameter('yolo_node', 'engines', ['a', 'b']).successful
        assert not peer.change_state('yolo_node', 'configure')
        assert not peer.set_parameter('yolo_node', 'b.model', str(secret)).successful
        assert not peer.set_parameter('yolo_node', 'b.class_names_file', str(secret)).successful
        assert peer.set_parameter('yolo_node', 'engines', ['a']).successful
        # What is tried again is what the start gave, as it is by now.
        names.write_text('thing\n')
        peer.change_state('yolo_node', 'configure')
        assert 'secret' not in node.log.read_text().replace(str(secret), '')


@pytest.mark.parametrize('executable', ['camera_node', 'seg_node', 'yolo_node'])
def test_every_parameter_can_be_read_and_written_back(peer, start, tmp_path, executable):
    """As `ros2 param dump`, `load` and rqt do it, and as a node starts with what was dumped."""
    given = {
        'camera_node': {'source': picture_folder(tmp_path / 'pictures')},
        'seg_node': {
            'model': str(color_segmentation(tmp_path / 'seg.onnx')),
            'source': picture_folder(tmp_path / 'own'),
        },
        'yolo_node': {'det__model': str(detector(tmp_path / 'det.onnx'))},
    }[executable]
    process = node_process(executable, peer.namespace, **given)
    start(process)
    peer.wait_for_state(executable, 'active')
    values = all_parameters(peer, executable)
    assert len(values) > 9
    unset = [n for n, value in values.items() if value.type == ParameterType.PARAMETER_NOT_SET]
    assert unset == []
    lists = [n for n, value in values.items() if value.type > ParameterType.PARAMETER_STRING]
    assert 'process.cores' in lists

    # `ros2 param load` sends what YAML makes of it: an empty list as one of bool.
    plain = {
        name: getattr(value, _FIELDS[value.type])
        for name, value in values.items()
        if not name.startswith('qos_overrides.')
    }
    plain = {name: _plain(value) for name, value in plain.items()}
    parameters = [
        Parameter(name, *([Parameter.Type.BOOL_ARRAY, []] if value == [] else [None, value]))
        for name, value in plain.items()
    ]
    answer = peer.call(
        SetParameters,
        f'{executable}/set_parameters',
        SetParameters.Request(parameters=[each.to_parameter_msg() for each in parameters]),
    )
    refused = [
        name for name, result in zip(plain, answer.results, strict=True) if not result.successful
    ]
    only_at_start = {'allow_source_changes', 'calibration_output'}
    only_at_start |= {f'process.{name}' for name in ('nice', 'real_time_priority', 'cores')}
    assert set(refused) <= {*only_at_start, 'start_type_description_service'}
    assert all_parameters(peer, executable) == values

    file = tmp_path / 'dump.yaml'
    content = {f'/{peer.namespace}/again': {'ros__parameters': plain}}
    file.write_text(yaml.safe_dump(content))  # as `ros2 param dump` writes it
    again = replace(process, name='again', parameters={}, parameter_file=file)
    node = start(again)
    peer.wait_for_state('again', 'active')
    # Nobody sends images here, which a node that started 3 s ago says.
    said = [line for line in log_lines(node, 'WARN|ERROR') if 'no image yet on' not in line]
    assert said == []
    restarted = all_parameters(peer, 'again')
    assert {n: v for n, v in restarted.items() if n in plain} == {n: values[n] for n in plain}


_FIELDS = {
    ParameterType.PARAMETER_BOOL: 'bool_value',
    ParameterType.PARAMETER_INTEGER: 'integer_value',
    ParameterType.PARAMETER_DOUBLE: 'double_value',
    ParameterType.PARAMETER_STRING: 'string_value',
    ParameterType.PARAMETER_INTEGER_ARRAY: 'integer_array_value',
    ParameterType.PARAMETER_DOUBLE_ARRAY: 'double_array_value',
    ParameterType.PARAMETER_STRING_ARRAY: 'string_array_value',
}


def _plain(value):
    is_list = hasattr(value, '__len__') and not isinstance(value, str)
    return list(value) if is_list else value
