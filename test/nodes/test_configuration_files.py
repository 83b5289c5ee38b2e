"""What comes to a node from outside the code: its YAML file, and values on its command line."""

import re
from dataclasses import replace
from pathlib import Path

import pytest
import yaml
from nodes.support import log_lines, node_process
from onnx_models import detector
from rcl_interfaces.srv import GetParameters, ListParameters
from rclpy.parameter import Parameter

from jetson_perception.resources import config_path

ODD_TEXTS = [
    *('', ' ', ' in the middle ', 'a b', "it's", '"quoted"', "'single'", '\\', 'C:\\new\\table'),
    *('a: b', 'a:b', 'a:=b', ':', 'rtsp://me:p%40ss@10.0.0.2:554/a?b=c&d=e', '# hash', 'a #b'),
    *('true', 'no', 'null', '~', '12', '0x1f', '1.5', '1e3', '.nan', '-', '- a', '?', '[1, 2]'),
    *(
        '{a: 1}',
        '!tag',
        '&anchor',
        '*alias',
        '%',
        '@',
        '`',
        '|',
        '>',
        ',',
        'a\tb',
        'a\nb',
        '${HOME}',
    ),
    *(
        '$(pwd)',
        '--ros-args',
        '-p',
        'Größe',
        '相机',
        'é',
        '\U0001f34a',
        '\u2028',
        '\x85',
        '\x7f',
        '~/my models',
    ),
]


def parameter(peer, node_name, name):
    """Value of a parameter, as the node has it."""
    (value,) = peer.call(
        GetParameters, f'{node_name}/get_parameters', GetParameters.Request(names=[name])
    ).values
    return Parameter.from_parameter_msg(
        type('Message', (), {'name': name, 'value': value})()
    ).value


def unset_examples(text):
    """A YAML file of ours with the examples of its empty lists as values."""
    return re.sub(r'^( *)# (\w+: \[)', r'\1\2', text, flags=re.MULTILINE)


def full_names(values, prefix=''):
    """Names of the parameters of a mapping, as a node has them."""
    names = set()
    for name, value in values.items():
        if isinstance(value, dict):
            names |= full_names(value, f'{prefix}{name}.')
        else:
            names.add(prefix + name)
    return names


class TestYamlFiles:
    @pytest.mark.parametrize('executable', ['seg_node', 'yolo_node', 'camera_node'])
    def test_loads_without_a_complaint(self, peer, start, tmp_path, executable):
        parameters = {
            'seg_node': {'model': 'oranges'},
            'yolo_node': {'det__model': str(detector(tmp_path / 'my.onnx'))},
            'camera_node': {'source': 'scene://oranges?width=96&height=64'},
        }
        process = node_process(executable, peer.namespace, **parameters[executable])
        node = start(replace(process, parameter_file=config_path(executable)))
        peer.wait_for_state(executable, 'active')
        said = log_lines(node, 'WARN|ERROR')
        # On a busy machine 3 s pass before the node is seen as active; nobody publishes here.
        assert [line for line in said if 'no image yet' not in line] == []
        status = peer.wait_for_status(executable, lambda status: True, 'a status')
        assert status.message == 'active' or 'no image' in status.message

    @pytest.mark.parametrize('executable', ['seg_node', 'yolo_node'])
    def test_its_examples_are_values_that_the_node_takes(self, peer, start, tmp_path, executable):
        text = config_path(executable).read_text()
        examples = tmp_path / 'examples.yaml'
        examples.write_text(unset_examples(text))
        assert examples.read_text() != text
        process = node_process(executable, peer.namespace, autostart=False)
        node = start(replace(process, parameter_file=examples))
        names = peer.call(
            ListParameters, f'{executable}/list_parameters', ListParameters.Request()
        ).result.names
        prefix = 'det.' if executable == 'yolo_node' else ''
        assert f'{prefix}input_size' in names
        assert list(parameter(peer, executable, f'{prefix}input_size')) == [640, 640]
        peer.wait_for_state(executable, 'unconfigured')
        assert log_lines(node, 'WARN|ERROR') == []

    def test_has_every_parameter_that_the_node_declares(self, peer, start):
        """Those of ROS itself and QoS aside; the text has lists as comments."""
        for executable in ('seg_node', 'yolo_node', 'camera_node'):
            start(node_process(executable, peer.namespace, autostart=False))
            names = peer.call(
                ListParameters, f'{executable}/list_parameters', ListParameters.Request()
            ).result.names
            text = unset_examples(config_path(executable).read_text())
            in_file = full_names(yaml.safe_load(text)['/**']['ros__parameters'])
            ours = {
                name
                for name in names
                if not name.startswith(('use_sim_time', 'qos_overrides', 'start_type_description'))
            }
            assert len(ours) >= 8
            assert ours == in_file


class TestCommandLine:
    def test_texts_arrive_as_they_were(self, peer, start):
        """What people have in paths, names and URLs, and what YAML would take for something else.

        Each both alone and in a list.
        """
        models, files = ODD_TEXTS[:30], ODD_TEXTS[30:]  # a node has 32 engines at most
        named = {f'e{index}.model': text for index, text in enumerate(models)}
        named |= {f'e{index}.class_names_file': text for index, text in enumerate(files, 1)}
        process = node_process(
            'yolo_node',
            peer.namespace,
            autostart=False,
            engines=[f'e{index}' for index in range(len(models))],
            e0__class_names=ODD_TEXTS,
            **{name.replace('.', '__'): text for name, text in named.items()},
        )
        start(process)
        assert list(parameter(peer, 'yolo_node', 'e0.class_names')) == ODD_TEXTS
        alone = [parameter(peer, 'yolo_node', name) for name in named]
        assert alone == ODD_TEXTS

    @pytest.mark.parametrize(
        ('name', 'value'),
        [
            pytest.param('e.score_threshold', 1.0, id='whole_number_for_a_double'),
            pytest.param('e.score_threshold', 1e-7, id='small'),
            pytest.param('e.class_agnostic', True, id='flag'),
            pytest.param('e.max_detections', 7, id='integer'),
        ],
    )
    def test_other_types(self, peer, start, name, value):
        process = node_process('yolo_node', peer.namespace, autostart=False, engines=['e'])
        start(replace(process, parameters={**process.parameters, name: value}))
        given = parameter(peer, 'yolo_node', name)
        assert given == value
        assert type(given) is type(value)

    def test_lists_of_numbers(self, peer, start):
        process = node_process(
            'seg_node',
            peer.namespace,
            autostart=False,
            input_size=[640, 480],
            mean=[0.5, 0.0, 1.0],
        )
        node = start(process)
        assert list(parameter(peer, 'seg_node', 'input_size')) == [640, 480]
        assert list(parameter(peer, 'seg_node', 'mean')) == [0.5, 0.0, 1.0]
        assert log_lines(node, 'WARN|ERROR') == []

    def test_a_value_wins_over_the_file(self, peer, start, tmp_path):
        file = tmp_path / 'with a space.yaml'
        file.write_text('/**:\n  ros__parameters:\n    frame_id: file\n    source: csi://7\n')
        process = node_process('camera_node', peer.namespace, autostart=False, frame_id='line')
        start(replace(process, parameter_file=Path(file)))
        assert parameter(peer, 'camera_node', 'frame_id') == 'line'
        assert parameter(peer, 'camera_node', 'source') == 'csi://7'
