"""Which nodes a file of parameters is for: as rclpy takes it, and what is said of the others."""

import importlib.util
import os
from itertools import pairwise
from pathlib import Path

import pytest

from jetson_perception.errors import ParameterError
from jetson_perception.parameter_sections import (
    Section,
    files_for_others,
    given_files,
    read_sections,
    require_parameter_file,
)

NODE = '/front/seg/seg_node'
KEYS = [
    *('/**', '**', '/*', '*', '/*/*', '/*/*/*', '/*/seg_node', '/*/*/seg_node', '/front/*'),
    *('/front/**', '/front/seg/*', '/**/seg_node', '/**/seg/seg_node', '/front/**/seg_node'),
    *('seg_node', '/seg_node', 'seg/seg_node', NODE, NODE[1:], '/front/seg', '/front/seg/other'),
    *('/**/other', '/**/**', '/**/*', '/front/seg/seg_node_2', '/FRONT/seg/seg_node'),
]


@pytest.fixture
def write(tmp_path):
    """Writes a file of parameters."""

    def make(text, name='my.yaml'):
        path = tmp_path / name
        path.write_text(text)
        return path

    return make


class TestSections:
    @pytest.mark.parametrize(
        ('text', 'sections'),
        [
            pytest.param('', [], id='empty'),
            pytest.param('3', [], id='number'),
            pytest.param('[a, b]', [], id='list'),
            pytest.param('a: {b: 1}', [], id='no_parameters'),
            pytest.param('a: [', None, id='no_yaml'),
            pytest.param('\0', None, id='no_text'),
            pytest.param('? {a: 1}\n: 2', None, id='mapping_as_a_key'),
            pytest.param('/**: {ros__parameters: }', [], id='nothing_set'),
            pytest.param(
                '/**: {ros__parameters: {}}', [Section('/**', ())], id='nothing_of_a_node'
            ),
            pytest.param(
                'cam:\n  ros__parameters:\n    source: 0\n    a.b: 1\n    c: {d: 2}\n',
                [Section('/cam', ('source', 'a', 'c'))],
                id='one',
            ),
            pytest.param(
                '/a:\n  b:\n    ros__parameters: {x: 1}\n  c:\n    ros__parameters: {y: 1}\n'
                '/**:\n  ros__parameters: {z: 1}\n',
                [Section('/a/b', ('x',)), Section('/a/c', ('y',)), Section('/**', ('z',))],
                id='several_and_nested',
            ),
        ],
    )
    def test_of_a_file(self, write, text, sections):
        assert read_sections(write(text)) == sections

    def test_anything_but_a_file_is_ignored(self, tmp_path):
        os.mkfifo(tmp_path / 'pipe')
        for name in ('none', '', 'pipe'):
            assert read_sections(tmp_path / name) is None

    def test_of_files_that_would_cost_much(self, write):
        bomb = 'a: &a [x, x]\n' + ''.join(
            f'{name}: &{name} [*{before}, *{before}]\n'
            for before, name in pairwise('abcdefghijklmnopqrstuvwxy')
        )
        assert read_sections(write(bomb)) is None
        assert read_sections(write('&a {b: *a}')) is None
        assert read_sections(write('[' * 600)) is None
        assert read_sections(write('/**: {ros__parameters: {a: 1}}\n' + '#' * (1 << 20))) is None


@pytest.mark.skipif(importlib.util.find_spec('rclpy') is None, reason='there is no ROS here')
def test_a_section_is_for_the_nodes_that_rclpy_gives_it_to(write):
    import rclpy
    from rclpy.context import Context
    from rclpy.signals import SignalHandlerOptions

    text = ''.join(
        f'"{key}": {{ros__parameters: {{p{number}: 1}}}}\n' for number, key in enumerate(KEYS)
    )
    arguments = ['--ros-args', '--params-file', str(write(text))]
    sections = read_sections(write(text))
    assert [section.parameters for section in sections] == [
        (f'p{number}',) for number in range(len(KEYS))
    ]
    context = Context()
    rclpy.init(context=context, signal_handler_options=SignalHandlerOptions.NO)
    try:
        for full_name in (NODE, '/seg_node'):
            namespace, _, name = full_name.rpartition('/')
            node = rclpy.create_node(
                name, namespace=namespace, context=context, cli_args=arguments
            )
            given = set(node._parameter_overrides)
            node.destroy_node()
            judged = {s.parameters[0] for s in sections if s.is_for(full_name)}
            assert judged == given, full_name
            assert 0 < len(given) < len(KEYS)
    finally:
        rclpy.shutdown(context=context)


@pytest.mark.parametrize(
    ('node', 'names_one'),
    [('/**', False), ('/*', False), ('/a/*', False), ('/a', True), ('/**/a', True)],
)
def test_whether_a_section_names_a_node(node, names_one):
    assert Section(node, ()).names_a_node == names_one


class TestGivenFiles:
    @pytest.mark.parametrize(
        ('line', 'files'),
        [
            pytest.param('', [], id='empty'),
            pytest.param('node', [], id='nothing_given'),
            pytest.param('node --params-file a.yaml', [], id='not_for_ros'),
            pytest.param('node --ros-args --params-file a.yaml', ['a.yaml'], id='one'),
            pytest.param(
                'node --ros-args -p a:=1 --params-file a.yaml -r b:=c --params-file /b/c.yaml',
                ['a.yaml', '/b/c.yaml'],
                id='two',
            ),
            pytest.param(
                'node --ros-args --params-file a -- --params-file b --ros-args --params-file c',
                ['a', 'c'],
                id='up_to_the_end_of_what_is_for_ros',
            ),
            pytest.param('node --ros-args --params-file', ['.'], id='cut_off'),
        ],
    )
    def test_of_a_command_line(self, line, files):
        assert given_files(line.split()) == [Path(file) for file in files]


class TestFilesForOthers:
    def test_a_file_for_the_node_gives_no_warning(self, write):
        file = write('other: {ros__parameters: {a: 1}}\n/**: {ros__parameters: {b: 1}}')
        assert files_for_others([], NODE) == []
        assert files_for_others([file, file], NODE) == []

    def test_a_file_that_cannot_be_judged_gives_no_warning(self, write):
        huge = write('x: {ros__parameters: {a: 1}}\n' + '#' * (1 << 20))
        assert files_for_others([huge, huge.with_name('none')], NODE) == []

    def test_a_file_for_other_nodes_is_reported_with_their_names(self, write):
        file = write('cam: {ros__parameters: {a: 1}}\n/x/*: {ros__parameters: {b: 1}}')
        good = write('/**: {ros__parameters: {b: 1}}', 'good.yaml')
        (text,) = files_for_others([good, file], NODE)
        assert text == (
            f'{file} sets nothing for {NODE}: it has parameters of /cam, /x/*; put them under '
            f'{NODE}, or under /** for every node'
        )

    def test_a_file_without_a_node(self, write):
        (text,) = files_for_others([write('source: 0')], NODE)
        assert f'sets nothing for {NODE}: it has parameters of no node; put them under' in text

    def test_names_are_shown_printable_and_few(self, write):
        keys = ['"a\\x1b[2J\\nb"', *(f'n{number}' for number in range(1000))]
        file = write(''.join(f'{key}: {{ros__parameters: {{a: 1}}}}\n' for key in keys))
        (text,) = files_for_others([file], NODE)
        assert r'parameters of /a\x1b[2J\nb, /n0, ' in text
        assert ' more; put' in text
        assert text.isprintable()
        assert len(text) < 1000


class TestRequired:
    """What a launch file checks of a file before it starts anything."""

    @pytest.mark.parametrize(
        'text',
        [
            pytest.param('', id='empty'),
            pytest.param('# nothing yet', id='comment'),
            pytest.param('/**: {ros__parameters: {a: 1}}', id='for_all'),
            pytest.param('a: {ros__parameters: {x: 1}}\nb: {}', id='for_one'),
            pytest.param('a: {ros__parameters: {x: .inf}}', id='what_others_need'),
        ],
    )
    def test_one_that_can_be(self, tmp_path, text):
        file = tmp_path / 'my parameters ü.yaml'
        file.write_text(text)
        require_parameter_file(str(file), 'params_file')

    @pytest.mark.parametrize(
        ('text', 'reason'),
        [
            pytest.param('/**: [', 'cannot be read as YAML: line ', id='broken'),
            pytest.param('a: 1\n\tb: 2', 'cannot be read as YAML: line 2: ', id='tab'),
            pytest.param('\0', 'cannot be read as YAML: it has control', id='no_text'),
            pytest.param('model: my.onnx', 'has parameters of no node; put', id='plain'),
            pytest.param('/**: {model: x}', 'under a node and ros__parameters: ', id='one_short'),
            pytest.param('[1, 2]', 'has parameters of no node', id='list'),
        ],
    )
    def test_one_that_cannot(self, tmp_path, text, reason):
        file = tmp_path / 'my parameters ü.yaml'
        file.write_text(text)
        with pytest.raises(ParameterError, match=reason) as error:
            require_parameter_file(str(file), 'params_file')
        assert str(error.value).startswith(f'params_file {file} ')
        assert error.value.parameter == 'params_file'

    def test_one_that_is_not_there(self, tmp_path):
        with pytest.raises(ParameterError, match=r'params_file .*x.yaml cannot be read: No such'):
            require_parameter_file(str(tmp_path / 'x.yaml'), 'params_file')
        with pytest.raises(ParameterError, match='is a folder'):
            require_parameter_file(str(tmp_path), 'params_file')
