"""What the launch files start: for any arguments the right processes, topics and values."""

from __future__ import annotations

import json
import os
import re
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import yaml
from int8_twins import pretend_made

from jetson_perception import bringup
from jetson_perception.bringup import NodeProcess, Preparation, defaults
from jetson_perception.camera.frame_names import frame_of_camera
from jetson_perception.errors import ModelError, ParameterError
from jetson_perception.installing import pip_install
from jetson_perception.recorded_topics import recorded_topics
from jetson_perception.resources import config_path

LAUNCH_FILES = [
    pytest.param(bringup.SEG_ARGUMENTS, bringup.seg, id='seg'),
    pytest.param(bringup.YOLO_ARGUMENTS, bringup.yolo, id='yolo'),
    pytest.param(bringup.CONCURRENT_ARGUMENTS, bringup.concurrent, id='concurrent'),
    pytest.param(bringup.CAMERA_ARGUMENTS, bringup.camera, id='camera'),
]
PERCEPTION = LAUNCH_FILES[:3]


@pytest.fixture
def cache(tmp_path, monkeypatch):
    """A cache in which nothing is made yet."""
    monkeypatch.setenv('XDG_CACHE_HOME', str(tmp_path / 'cache'))


def seg(**values):
    return bringup.seg(defaults(bringup.SEG_ARGUMENTS, **values))


def yolo(**values):
    return bringup.yolo(defaults(bringup.YOLO_ARGUMENTS, **values))


def concurrent(**values):
    return bringup.concurrent(defaults(bringup.CONCURRENT_ARGUMENTS, **values))


def camera(**values):
    (process,) = bringup.camera(defaults(bringup.CAMERA_ARGUMENTS, **values))
    return process


def executables(processes):
    return [process.executable for process in processes]


def installed_prefix():
    """Where colcon has put the package; None for a library without ROS."""
    for prefix in os.environ.get('AMENT_PREFIX_PATH', '').split(os.pathsep):
        if prefix and Path(prefix, 'lib', bringup.PACKAGE).is_dir():
            return Path(prefix)
    return None


class TestArguments:
    @pytest.mark.parametrize(('arguments', 'processes'), LAUNCH_FILES)
    def test_each_is_described_once_and_defaults_to_a_choice(self, arguments, processes):
        names = [argument.name for argument in arguments]
        assert len(set(names)) == len(names)
        for argument in arguments:
            assert argument.description.endswith('.'), argument.name
            assert len(argument.description.split()) > 2, argument.name
            if argument.choices:
                assert argument.default in argument.choices, argument.name

    @pytest.mark.parametrize(('arguments', 'processes'), PERCEPTION)
    def test_the_camera_accepts_the_arguments_of_camera_launch(self, arguments, processes):
        """So that whoever knows one launch file knows them all."""
        known = {argument.name: argument for argument in arguments}
        for argument in bringup.CAMERA_ARGUMENTS:
            if argument.name != 'params_file':  # that of the node that the launch file is of
                assert known[argument.name] == argument

    def test_an_unknown_name_is_refused_with_the_known_ones(self):
        with pytest.raises(
            KeyError, match='modle is not a launch argument; expected one of model, '
        ):
            defaults(bringup.SEG_ARGUMENTS, modle='x')

    @pytest.mark.parametrize(('arguments', 'processes'), LAUNCH_FILES)
    def test_defaults_leave_the_parameters_to_the_files_of_the_user(self, arguments, processes):
        """Else they would be overruled by what nobody set."""
        values = defaults(arguments, params_file='/my.yaml', camera_params_file='/camera.yaml')
        for process in processes(values):
            assert process.parameters.keys() <= {'use_sim_time', 'autostart'}
            camera_file = process.executable == 'camera_node'
            assert process.parameter_file == Path('/camera.yaml' if camera_file else '/my.yaml')

    @pytest.mark.parametrize(
        ('arguments', 'processes', 'source', 'models'),
        [
            (bringup.SEG_ARGUMENTS, bringup.seg, 'scene://oranges', {'model': 'oranges'}),
            (bringup.YOLO_ARGUMENTS, bringup.yolo, 'scene://people', {}),
            (bringup.CONCURRENT_ARGUMENTS, bringup.concurrent, 'scene://people', {}),
            (bringup.CAMERA_ARGUMENTS, bringup.camera, 'scene://oranges', {}),
        ],
        ids=['seg', 'yolo', 'concurrent', 'camera'],
    )
    def test_with_nothing_given_a_scene_and_models_of_the_package_are(
        self, arguments, processes, source, models
    ):
        """The nodes' own defaults are empty: a launch file says what it shows."""
        for process in processes(defaults(arguments)):
            given = dict(process.parameters)
            assert given.pop('use_sim_time') is False
            if process.executable == 'camera_node':
                assert given == {'source': source}
            else:
                assert given.pop('autostart') is True
                assert given == models
            shown = {bringup.yolo: 'yolo_people.yaml', bringup.concurrent: 'concurrent.yaml'}
            name = f'{process.executable}.yaml'
            if process.executable == 'yolo_node':
                name = shown[processes]
            assert process.parameter_file == config_path(name)

    def test_launched_together_no_two_nodes_of_ours_share_a_name(self):
        """But for yolo and concurrent, which run the same engines."""
        started = [*seg(), *yolo(), camera()]
        assert len({(node.namespace, node.name) for node in started}) == len(started)
        assert len({node.remappings['image'] for node in started if node.remappings}) == 2
        frames = [
            frame_of_camera(node.namespace, node.name)
            for node in started
            if node.executable == 'camera_node'
        ]
        assert sorted(frames) == ['camera', 'seg_camera', 'yolo_camera']

    @pytest.mark.parametrize(('arguments', 'processes'), LAUNCH_FILES)
    def test_defaults_start_what_is_installed(self, arguments, processes):
        prefix = installed_prefix()
        if prefix is None:
            pytest.skip('the package is not built with colcon here')
        for process in processes(defaults(arguments)):
            command = process.command(prefix)
            assert os.access(command[0], os.X_OK), command[0]
            assert Path(command[command.index('--params-file') + 1]).is_file()


class TestCameraOrTopic:
    @pytest.mark.parametrize(
        ('values', 'expected', 'image'),
        [
            pytest.param({}, True, '/{own}/camera/image_raw', id='neither'),
            pytest.param({'namespace': ''}, True, '/camera/image_raw', id='no_namespace_at_all'),
            pytest.param({'image': '/front/color'}, False, '/front/color', id='topic'),
            pytest.param({'image': 'color'}, False, 'color', id='relative_topic'),
            pytest.param({'source': 'csi://0'}, True, '/{own}/camera/image_raw', id='source'),
            pytest.param(
                {'camera_namespace': '/rig/left/'}, True, '/rig/left/image_raw', id='namespace'
            ),
            pytest.param({'camera_namespace': '/'}, True, '/image_raw', id='no_namespace'),
        ],
    )
    @pytest.mark.parametrize(('arguments', 'processes'), PERCEPTION)
    def test_who_publishes_the_images(self, arguments, processes, values, expected, image):
        image = image.format(own=defaults(arguments)['namespace'])
        node, *others = processes(defaults(arguments, **values))
        assert executables(others) == ['camera_node'] * expected
        assert node.remappings == {'image': image, 'image/compressed': f'{image}/compressed'}
        if expected:
            namespace = others[0].namespace.strip('/')
            assert f'{"/" * bool(namespace)}{namespace}/image_raw' == image
            shown = 'scene://oranges' if processes is bringup.seg else 'scene://people'
            assert others[0].parameters.get('source', '') == values.get('source', shown)

    @pytest.mark.parametrize(('arguments', 'processes'), PERCEPTION)
    def test_both_are_refused(self, arguments, processes):
        """One of them would be ignored."""
        given = {'image': '/front/color', 'source': 'rtsp://me:s3cret@front/live/1'}
        match = (
            r'^image:=/front/color and source:=rtsp://front/live/… are both given; give one of '
            r'them: [^\n]*$'
        )
        with pytest.raises(ParameterError, match=match) as caught:
            processes(defaults(arguments, **given))
        assert caught.value.parameter == 'image'

    @pytest.mark.parametrize(('arguments', 'processes'), LAUNCH_FILES)
    def test_a_file_of_the_user_says_what_the_camera_opens(self, arguments, processes):
        own = processes(defaults(arguments, camera_params_file='/etc/camera.yaml'))[-1]
        assert 'source' not in own.parameters
        assert own.parameter_file == Path('/etc/camera.yaml')

    def test_camera_launch_takes_its_file_by_both_names(self):
        """ros2 launch does not say that it knows no argument of a name."""
        own = camera(params_file='/etc/camera.yaml')
        assert 'source' not in own.parameters
        assert own.parameter_file == Path('/etc/camera.yaml')
        both = camera(params_file='/a.yaml', camera_params_file='/b.yaml')
        assert both.parameter_file == Path('/b.yaml')

    @pytest.mark.parametrize(
        ('text', 'for_the_camera'),
        [
            pytest.param('/*/camera/camera_node: {ros__parameters: {w: 8}}', True, id='name'),
            pytest.param('/**/camera_node: {ros__parameters: {source: 0}}', True, id='any_space'),
            pytest.param('/**: {ros__parameters: {source: 0}}', True, id='source_of_all'),
            pytest.param('/*/*/*: {ros__parameters: {source: 0}}', True, id='source_of_many'),
            pytest.param('/**: {ros__parameters: {device: 0}}', False, id='of_all'),
            pytest.param('camera_node: {ros__parameters: {source: 0}}', False, id='other_space'),
            pytest.param('/x/*: {ros__parameters: {source: 0}}', False, id='others'),
            pytest.param('', False, id='empty'),
        ],
    )
    @pytest.mark.parametrize(('arguments', 'processes'), PERCEPTION)
    def test_one_file_for_both_nodes(self, arguments, processes, tmp_path, text, for_the_camera):
        """What it sets for the camera is not hidden by a scene that nobody asked for."""
        file = tmp_path / 'both.yaml'
        file.write_text(text)
        node, own = processes(defaults(arguments, params_file=str(file)))
        assert node.parameter_file == file
        assert ('source' not in own.parameters) == for_the_camera
        shared = file if for_the_camera else config_path('camera_node.yaml')
        assert own.parameter_file == shared
        explicit = processes(defaults(arguments, params_file=str(file), source='csi://0'))[1]
        assert explicit.parameters['source'] == 'csi://0'

    @pytest.mark.parametrize(
        ('text', 'warned'),
        [
            pytest.param('/camera/camera_node: {ros__parameters: {width: 8}}', True, id='other'),
            pytest.param('camera_node: {ros__parameters: {width: 8}}', True, id='no_namespace'),
            pytest.param('/seg/camera/camera_node: {ros__parameters: {w: 8}}', False, id='right'),
            pytest.param('/**/camera_node: {ros__parameters: {w: 8}}', False, id='anywhere'),
            pytest.param(
                'camera_node: {ros__parameters: {w: 8}}\n/**: {ros__parameters: {source: a}}',
                False,
                id='one_of_two',
            ),
            pytest.param('/nav/controller: {ros__parameters: {w: 8}}', False, id='of_others'),
            pytest.param('/x/seg_node: {ros__parameters: {w: 8}}', False, id='node_says_so'),
            pytest.param('a: [', False, id='unreadable'),
        ],
    )
    def test_parameters_for_a_camera_of_another_name_are_warned_of(self, tmp_path, text, warned):
        file = tmp_path / 'mine.yaml'
        file.write_text(text)
        texts = bringup.overlooked(seg(params_file=str(file)), [str(file)])
        assert len(texts) == warned
        for told in texts:
            assert 'but this starts /seg/camera/camera_node, which does not get them' in told

    @pytest.mark.parametrize(('arguments', 'processes'), PERCEPTION)
    def test_the_file_of_the_camera_may_name_the_node_too(self, arguments, processes, tmp_path):
        file = tmp_path / 'both.yaml'
        values = defaults(arguments, camera_params_file=str(file))
        for text, shared in (
            (f'/**/{values["name"]}: {{ros__parameters: {{blend: 0.1}}}}', True),
            ('/**: {ros__parameters: {model: mine.onnx, engines: [a]}}', True),
            ('/**: {ros__parameters: {width: 8}}', False),
        ):
            file.write_text(text)
            node, own = processes(values)
            assert own.parameter_file == file
            assert (node.parameter_file == file) == shared
            assert node.parameters.get('model', 'none') in ('none', *['oranges'] * (not shared))

    def test_the_camera_gets_its_arguments_with_their_types(self):
        process = camera(
            source='v4l2:///dev/video0',
            width='1280',
            height='720',
            frame_rate='30',
            loop='false',
            calibration='/etc/front camera.yaml',
            pixel_format='MJPG',
            frame_id='front',
            use_sim_time='true',
        )
        expected = {
            'source': 'v4l2:///dev/video0',
            'width': 1280,
            'height': 720,
            'frame_rate': 30.0,
            'loop': False,
            'calibration': '/etc/front camera.yaml',
            'pixel_format': 'MJPG',
            'frame_id': 'front',
            'use_sim_time': True,
        }
        assert process.parameters == expected
        types = {name: type(value) for name, value in process.parameters.items()}
        assert types == {name: type(value) for name, value in expected.items()}
        inside = seg(source='v4l2:///dev/video0', width='1280', height='720', loop='true')[1]
        assert inside.parameters['loop'] is True
        assert inside.parameters['width'] == 1280

    @pytest.mark.parametrize(
        ('values', 'reason'),
        [
            pytest.param({'width': '12.5'}, "width is '12.5'; expected a whole number", id='int'),
            pytest.param({'height': 'x'}, "height is 'x'; expected a whole number", id='text'),
            pytest.param(
                {'frame_rate': 'fast'}, "frame_rate is 'fast'; expected a number", id='float'
            ),
        ],
    )
    def test_an_invalid_number_is_refused(self, values, reason):
        with pytest.raises(ParameterError, match=reason):
            camera(**values)


class TestInProcess:
    """The node reads the source itself."""

    @pytest.mark.parametrize(('arguments', 'processes'), PERCEPTION)
    def test_as_asked(self, arguments, processes):
        """No camera_node, and nothing is remapped: topics are where a camera_node has them."""
        given = {'width': '1280', 'height': '720', 'loop': 'true', 'frame_id': 'front'}
        values = {'source': 'csi://0', 'every_frame': 'true', 'rviz': 'true', **given}
        node, view = processes(defaults(arguments, in_process='true', **values))
        assert view.executable == 'rviz2'
        assert node.remappings == {}
        expected = {'source': 'csi://0', 'width': 1280, 'height': 720, 'loop': True}
        assert expected.items() <= node.parameters.items()
        assert (node.parameters['frame_id'], node.parameters['every_frame']) == ('front', True)
        *_, beside, view_beside = processes(defaults(arguments, **values))
        assert view.remappings == view_beside.remappings
        assert view.remappings['/perception/image'] == f'/{beside.namespace}/image_raw'

    @pytest.mark.parametrize(('arguments', 'processes'), PERCEPTION)
    def test_a_scene_unless_something_names_a_source(self, arguments, processes, tmp_path):
        (node,) = processes(defaults(arguments, in_process='true'))
        assert node.parameters['source'].startswith('scene://')
        file = tmp_path / 'mine.yaml'
        for text in ('/**', f'/**/{node.name}'):
            file.write_text(f'{text}: {{ros__parameters: {{source: 0}}}}')
            values = defaults(arguments, in_process='true', params_file=str(file))
            (node,) = processes(values)
            assert 'source' not in node.parameters
            assert node.parameter_file == file

    @pytest.mark.parametrize(('arguments', 'processes'), PERCEPTION)
    def test_as_the_file_of_the_node_says(self, arguments, processes, tmp_path):
        """Under its name; a source for all is the camera's, as it has always been."""
        file = tmp_path / 'mine.yaml'
        values = defaults(arguments, params_file=str(file))
        name = f'/{values["namespace"]}/{values["name"]}'
        file.write_text(f'{name}: {{ros__parameters: {{source: 0}}}}')
        (node,) = processes(values)
        assert (node.remappings, 'source' in node.parameters) == ({}, False)
        (node,) = processes({**values, 'source': 'csi://0'})
        assert node.parameters['source'] == 'csi://0'
        node = processes({**values, 'image': '/front/image_raw'})[0]
        assert node.remappings['image'] == '/front/image_raw'
        assert node.parameters['source'] == ''
        file.write_text('/**: {ros__parameters: {source: 0}}')
        node, own = processes(values)
        assert (own.executable, own.parameter_file) == ('camera_node', file)
        assert node.parameters['source'] == ''

    @pytest.mark.parametrize(
        ('name', 'value'),
        [
            pytest.param('image', '/front/image_raw', id='image'),
            pytest.param('image_topics', '/front/image_raw,/rear/image_raw', id='images'),
            pytest.param('camera_params_file', 'my.yaml', id='file'),
            pytest.param('camera_namespace', 'front', id='namespace'),
        ],
    )
    def test_what_is_for_a_camera_node_is_refused(self, name, value):
        with pytest.raises(ParameterError, match=f'^{name}:={value} is given, but in_process'):
            seg(in_process='true', **{name: value})


class TestModels:
    def test_of_seg(self):
        node = seg(model='/m/my net.onnx', runtime='onnxruntime_cpu', image='/i')[0]
        assert node.parameters['model'] == '/m/my net.onnx'
        assert node.parameters['runtime'] == 'onnxruntime_cpu'
        assert (node.executable, node.namespace, node.name) == ('seg_node', 'seg', 'seg_node')

    def test_of_yolo_under_the_name_of_its_engine(self):
        node = yolo(model='my.onnx', engine_name='traffic', runtime='auto', image='/i')[0]
        assert node.parameters['engines'] == ['traffic']
        assert node.parameters['traffic.model'] == 'my.onnx'
        assert node.parameters['traffic.runtime'] == 'auto'
        assert node.parameter_file is None, 'ours is of an engine called det'
        named = yolo(model='my.onnx', engine_name='traffic', params_file='/my.yaml', image='/i')[0]
        assert named.parameter_file == Path('/my.yaml')
        assert yolo(model='my.onnx', image='/i')[0].parameter_file == config_path('yolo_node.yaml')

    def test_yolo_without_a_model_leaves_the_engines_to_the_yaml(self):
        node = yolo(params_file='/etc/engines.yaml', image='/i')[0]
        assert 'engines' not in node.parameters
        assert node.parameter_file == Path('/etc/engines.yaml')

    @pytest.mark.parametrize(
        ('engines', 'expected'),
        [
            pytest.param('[a, b]', ['a', 'b'], id='several'),
            pytest.param('[]', ['det'], id='none'),
            pytest.param('7', ['det'], id='no_list'),
            pytest.param('[1, 2]', ['det'], id='no_names'),
        ],
    )
    def test_what_is_given_for_all_engines_goes_to_those_of_the_file(
        self, tmp_path, engines, expected
    ):
        file = tmp_path / 'engines.yaml'
        file.write_text(f'/other/yolo_node: {{ros__parameters: {{engines: [x]}}}}\n'
                        f'/**: {{ros__parameters: {{engines: {engines}}}}}\n')  # fmt: skip
        node = yolo(
            params_file=str(file), image='/i', runtime='auto', precision='fp32',
            score_threshold='0.5',
        )[0]  # fmt: skip
        assert 'engines' not in node.parameters
        for engine in expected:
            assert node.parameters[f'{engine}.runtime'] == 'auto'
            assert node.parameters[f'{engine}.precision'] == 'fp32'
            assert node.parameters[f'{engine}.score_threshold'] == 0.5
        names = {name.partition('.')[0] for name in node.parameters if '.' in name}
        assert names == set(expected)

    def test_runtime_and_threshold_go_to_both_engines_that_are_shown_by_default(self):
        node = yolo(image='/i', runtime='onnxruntime_cpu', score_threshold='0.4')[0]
        for engine in ('det', 'pose'):
            assert node.parameters[f'{engine}.runtime'] == 'onnxruntime_cpu'
            assert node.parameters[f'{engine}.score_threshold'] == 0.4
        both = concurrent(image='/i', score_threshold='0.4')[0].parameters
        assert sum(name.endswith('.score_threshold') for name in both) == 4

    def test_precision_of_seg(self):
        assert seg(precision='int8', image='/i')[0].parameters['precision'] == 'int8'

    def test_an_engine_of_another_name_needs_a_model(self):
        with pytest.raises(ParameterError, match="engine_name is 'front', but no model") as error:
            yolo(engine_name='front')
        assert error.value.parameter == 'model'

    def test_a_runtime_alone_leaves_the_engines_to_the_yaml(self):
        node = yolo(params_file='/etc/engines.yaml', runtime='onnxruntime_cpu', image='/i')[0]
        assert 'engines' not in node.parameters
        assert node.parameters['det.runtime'] == 'onnxruntime_cpu'

    @pytest.mark.parametrize(('arguments', 'processes'), PERCEPTION)
    def test_names_and_namespaces(self, arguments, processes):
        values = defaults(
            arguments,
            name='eyes',
            namespace='/robot1/front',
            camera_name='lens',
            camera_namespace='robot1/front',
        )
        node, lens = processes(values)
        command = ' '.join(node.command('/opt'))
        assert '-r __node:=eyes -r __ns:=/robot1/front ' in command
        assert '-r image:=/robot1/front/image_raw ' in command
        assert '-r __node:=lens -r __ns:=/robot1/front ' in ' '.join(lens.command('/opt'))

    @pytest.mark.parametrize(
        ('text', 'value'), [pytest.param('true', True), pytest.param('false', False)]
    )
    def test_autostart(self, text, value):
        assert seg(autostart=text)[0].parameters['autostart'] is value

    def test_every_frame_is_one_option_of_camera_and_node(self):
        values = bringup.defaults(
            bringup.SEG_ARGUMENTS,
            source='file:///a.mp4',
            every_frame='true',
            wait_for_subscribers='2',
        )
        node, camera = bringup.seg(values)
        assert node.parameters['every_frame'] is camera.parameters['every_frame'] is True
        assert camera.parameters['wait_for_subscribers'] == 2
        assert 'wait_for_subscribers' not in node.parameters

    @pytest.mark.parametrize('image', ['/front/color/compressed', 'color/compressed'])
    def test_a_topic_that_is_compressed_itself(self, image):
        """It is the node that understands it, whichever of the two names it subscribes to."""
        node = seg(image=image)[0]
        assert node.remappings == {'image': image, 'image/compressed': image}
        assert 'image_transport' not in node.parameters

    def test_compressed_images(self):
        node = seg(image='/front/color', image_transport='compressed')[0]
        assert node.parameters['image_transport'] == 'compressed'
        assert node.remappings['image/compressed'] == '/front/color/compressed'

    def test_the_live_view_is_started_beside_the_others(self):
        *others, view = seg(view='true', view_port='8090')
        assert others == seg()
        assert view == NodeProcess('view', arguments=('--port', '8090'))
        *_, view = seg(view='true', view_recordings='~/recordings')
        assert view.arguments == ('--port', '8080', '--recordings', '~/recordings')

    @pytest.mark.parametrize('port', ['', '-1', '65536', 'http'])
    def test_a_port_that_is_none(self, port):
        with pytest.raises(ParameterError, match=r'view_port is .*; expected a whole number'):
            seg(view='true', view_port=port)

    @pytest.mark.parametrize(
        ('namespace', 'topic'),
        [
            pytest.param('/robot1/seg/', '/robot1/seg/annotated', id='deep'),
            pytest.param('', '/annotated', id='none'),
        ],
    )
    def test_rviz_shows_the_topics_of_the_node(self, namespace, topic):
        if not config_path('fastdds.xml').with_name('perception.rviz').is_file():
            pytest.skip('perception.rviz is not installed yet: run `make setup`')
        node, rviz = seg(image='/front/color', rviz='true', namespace=namespace)
        assert (rviz.package, rviz.executable) == ('rviz2', 'rviz2')
        assert rviz.remappings['/perception/image'] == '/front/color'
        assert rviz.remappings['/perception/annotated'] == topic
        assert Path(rviz.arguments[1]).is_file()
        assert executables([node]) == ['seg_node']

    @pytest.mark.parametrize('image', ['/front/color', '/front/color/compressed'])
    def test_displays_of_rviz_can_take_compressed_images(self, image):
        """They do where the name of their topic ends so, whatever the node takes."""
        remappings = seg(image=image, rviz='true')[-1].remappings
        assert remappings['/perception/image'] == '/front/color'
        assert remappings['/perception/image/compressed'] == '/front/color/compressed'
        assert remappings['/perception/annotated/compressed'] == '/seg/annotated/compressed'

    def test_rviz_shows_a_relative_topic_where_the_node_takes_it(self):
        node, rviz = seg(image='front/color', rviz='true')
        assert node.remappings['image'] == 'front/color'
        assert rviz.remappings['/perception/image'] == '/seg/front/color'

    @pytest.mark.parametrize(
        ('values', 'frame'),
        [
            pytest.param({}, 'seg_camera', id='demo'),
            pytest.param({'in_process': 'true'}, 'seg_camera', id='in_process'),
            pytest.param({'camera_namespace': '/rig/left'}, 'rig_left', id='namespace'),
            pytest.param({'camera_name': 'top'}, 'seg_camera_top', id='name'),
            pytest.param({'frame_id': '/optical'}, 'optical', id='given'),
        ],
    )
    def test_rviz_has_the_frame_of_the_camera_that_is_started(self, values, frame):
        rviz = seg(rviz='true', **values)[-1]
        assert rviz.arguments[2:] == ('-f', frame)

    @pytest.mark.parametrize(
        'values',
        [
            pytest.param({'image': '/front/color'}, id='one'),
            pytest.param({'image_topics': '/front/color,/rear/color'}, id='several'),
        ],
    )
    def test_the_frame_of_other_cameras_is_not_guessed(self, values):
        assert len(seg(rviz='true', **values)[-1].arguments) == 2


class TestRecord:
    def test_it_is_started_beside_the_others(self):
        *others, recorder = seg(record='/data/a b')
        assert others == seg()
        assert recorder.executable == 'record'
        folder, option, topics = recorder.arguments
        assert (folder, option) == ('/data/a b', '--topics')
        assert topics == recorded_topics(['seg', 'seg/camera'])

    @pytest.mark.parametrize(
        ('values', 'recorded', 'left'),
        [
            pytest.param(
                {'image': '/front/color'},
                ['/front/color/compressed', '/front/camera_info', '/yolo/det/detections'],
                ['/front/color', '/front/det/detections', '/yolo/camera/image_raw'],
                id='image',
            ),
            pytest.param(
                {'image': 'color', 'record_images': 'raw'},
                ['/yolo/color', '/yolo/camera_info'],
                ['/color'],
                id='relative_and_raw',
            ),
            pytest.param(
                {'image_topics': '/a/image,/b/image/compressed'},
                ['/a/det/detections', '/b/det/detections', '/b/image/compressed'],
                ['/c/det/detections'],
                id='several',
            ),
            pytest.param(
                {'sources': 'front=csi://0,/rig/rear=csi://1'},
                ['/yolo/front/det/stats', '/rig/rear/det/stats', '/yolo/front/camera_info'],
                ['/rig/det/stats'],
                id='sources',
            ),
            pytest.param(
                {'camera_namespace': '/rig'},
                ['/rig/image_raw/compressed', '/yolo/det/detections'],
                ['/rig/image_raw', '/other/camera_info'],
                id='camera_elsewhere',
            ),
        ],
    )
    def test_what_it_takes(self, values, recorded, left):
        topics = yolo(record='bags', **values)[-1].arguments[2]
        taken = [each for each in [*recorded, *left] if re.search(topics, each)]
        assert taken == recorded

    def test_a_camera_alone(self):
        own, recorder = bringup.camera(defaults(bringup.CAMERA_ARGUMENTS, record='bags'))
        assert own.executable == 'camera_node'
        assert re.search(recorder.arguments[2], '/camera/image_raw/compressed')


class TestRespawn:
    @pytest.mark.parametrize(('arguments', 'processes'), LAUNCH_FILES)
    def test_nodes_come_back_but_not_what_is_for_people(self, arguments, processes):
        given = {'rviz': 'true', 'record': 'bags', 'respawn_delay': '3'}
        for process in processes(defaults(arguments, respawn='true', **given)):
            is_node = process.executable in ('camera_node', 'seg_node', 'yolo_node')
            assert process.respawn_delay_s == (3.0 if is_node else None)
        assert all(each.respawn_delay_s is None for each in processes(defaults(arguments)))

    @pytest.mark.parametrize('delay', ['0', '0.4', '-1', 'nan', 'inf', 'soon'])
    def test_none_is_started_all_the_time(self, delay):
        with pytest.raises(ParameterError, match=r'respawn_delay is .*; expected '):
            seg(respawn='true', respawn_delay=delay)


@pytest.mark.parametrize('name', ['seg', 'yolo'])
def test_the_layout_for_foxglove_shows_topics_that_there_are(name):
    layout = json.loads((config_path('fastdds.xml').parent / f'foxglove/{name}.json').read_text())
    panels = layout['configById']
    placed = []

    def place(tree):
        if isinstance(tree, str):
            placed.append(tree)
        else:
            place(tree['first'])
            place(tree['second'])

    place(layout['layout'])
    assert sorted(placed) == sorted(panels)
    drawn = [f'/{name}/{each}' for each in ('annotated/compressed', 'mask/color')]
    recorded = recorded_topics([name])
    topics = re.findall(r'"(/[^".]+)', json.dumps(panels))
    assert len(topics) > 5
    assert [each for each in topics if each not in drawn and not re.search(recorded, each)] == []


def test_the_camera_has_a_view_too():
    own, rviz = bringup.camera(defaults(bringup.CAMERA_ARGUMENTS, rviz='true'))
    assert rviz.remappings == {
        '/perception/image': '/camera/image_raw',
        '/perception/image/compressed': '/camera/image_raw/compressed',
    }
    assert rviz.arguments == ('-d', str(config_path('camera.rviz')), '-f', 'camera')
    view = yaml.safe_load(config_path('camera.rviz').read_text())['Visualization Manager']
    assert [each['Topic']['Value'] for each in view['Displays']] == ['/perception/image']
    assert own.executable == 'camera_node'


def test_rviz_asks_for_what_nodes_publish_as_they_publish_it():
    """The images of drivers are best effort, mostly; what our nodes draw is reliable."""
    view = yaml.safe_load(config_path('perception.rviz').read_text())['Visualization Manager']
    assert {
        each['Topic']['Value']: each['Topic']['Reliability Policy'] for each in view['Displays']
    } == {
        '/perception/annotated': 'Reliable',
        '/perception/mask/color': 'Reliable',
        '/perception/image': 'Best Effort',
    }


class TestDepth:
    @pytest.mark.parametrize(
        ('values', 'parameters'),
        [
            pytest.param({}, {}, id='none'),
            pytest.param(
                {'depth_image': '/depth/image_raw', 'target_frame': 'base_link'},
                {
                    'depth.image_topics': ['/depth/image_raw'],
                    'depth.target_frame': 'base_link',
                },
                id='one_camera',
            ),
            pytest.param(
                {'depth_image': '/front/depth, /rear/depth', 'camera_info': '[/f/info,/r/info]'},
                {
                    'depth.image_topics': ['/front/depth', '/rear/depth'],
                    'depth.camera_info_topics': ['/f/info', '/r/info'],
                },
                id='several_cameras',
            ),
        ],
    )
    def test_the_node_gets_the_topics(self, values, parameters):
        (node,) = yolo(model='my.onnx', image='/color/image_raw', **values)
        depth = {k: v for k, v in node.parameters.items() if k.startswith('depth.')}
        assert depth == parameters


class TestSeveralCameras:
    @pytest.mark.parametrize(
        'given',
        [
            pytest.param('/front/image_raw,/rear/image_raw', id='commas'),
            pytest.param('/front/image_raw, /rear/image_raw', id='spaces'),
            pytest.param('[/front/image_raw, /rear/image_raw]', id='as_in_a_file'),
            pytest.param('[\'/front/image_raw\', "/rear/image_raw"]', id='quotes'),
        ],
    )
    @pytest.mark.parametrize('start', [seg, yolo], ids=['seg', 'yolo'])
    def test_the_node_alone_takes_them(self, start, given):
        (node,) = start(model='my.onnx', image_topics=given)
        assert node.parameters['image_topics'] == ['/front/image_raw', '/rear/image_raw']
        assert node.remappings == {}

    def test_those_of_a_file_count_too(self, tmp_path):
        file = tmp_path / 'cameras.yaml'
        file.write_text('/**:\n  ros__parameters:\n    image_topics: [/a/image, /b/image]\n')
        (node,) = seg(params_file=str(file))
        assert (node.parameters['image_topics'], node.remappings) == (['/a/image', '/b/image'], {})
        assert executables(seg(params_file=str(file), image='/i')) == ['seg_node']
        assert seg(params_file=str(file), image='/i')[0].remappings['image'] == '/i'

    @pytest.mark.parametrize('other', ['image', 'source'])
    def test_nothing_else_may_name_a_camera(self, other):
        with pytest.raises(ParameterError, match=f'^{other} and image_topics are both given'):
            seg(image_topics='/front/image_raw', **{other: '/i'})

    @pytest.mark.parametrize(
        ('topic', 'shown'),
        [
            pytest.param('/front/image_raw', '/front/annotated', id='full_name'),
            pytest.param('/front/image_raw/compressed', '/front/annotated', id='compressed'),
            pytest.param('front/image_raw', '/seg/front/annotated', id='relative'),
            pytest.param('~/front/image_raw', '/seg/seg_node/front/annotated', id='private'),
        ],
    )
    def test_rviz_shows_the_first(self, topic, shown):
        _, rviz = seg(model='m.onnx', image_topics=f'{topic},/rear/image_raw', rviz='true')
        image = shown.replace('annotated', 'image_raw')
        assert rviz.remappings['/perception/image'] == image
        assert rviz.remappings['/perception/image/compressed'] == f'{image}/compressed'
        assert rviz.remappings['/perception/annotated'] == shown


class TestSeveralSources:
    @pytest.mark.parametrize(
        ('given', 'expected'),
        [
            pytest.param('front=0,rear=1', ['front=0', 'rear=1'], id='plain'),
            pytest.param(
                "['front=csi://0', '/rig/rear=rtsp://[fe80::1]']",
                ['front=csi://0', '/rig/rear=rtsp://[fe80::1]'],
                id='as_in_a_file',
            ),
            pytest.param('a=/x/i[0-9]', ['a=/x/i[0-9]'], id='pattern'),
            pytest.param('a=csi://0,b=x/b.mp4', ['a=csi://0', 'b=x/b.mp4'], id='relative_path'),
            pytest.param(
                'a=rtsp://me:s3,b=cret@h/live?x=1,y=b,c=1,d=/dev/video0,e=csi://0',
                ['a=rtsp://me:s3,b=cret@h/live?x=1,y=b', 'c=1', 'd=/dev/video0', 'e=csi://0'],
                id='commas_in_a_password',
            ),
            pytest.param(
                'a=gst://x ! video/x-raw,format=NV12,width=8,b=gst://y',
                ['a=gst://x ! video/x-raw,format=NV12,width=8', 'b=gst://y'],
                id='caps',
            ),
        ],
    )
    @pytest.mark.parametrize('start', [seg, yolo], ids=['seg', 'yolo'])
    def test_the_node_alone_reads_them(self, start, given, expected):
        (node,) = start(model='my.onnx', sources=given, frame_rate='10')
        assert node.parameters['sources'] == expected
        assert node.parameters['frame_rate'] == 10.0
        assert (node.remappings, 'source' in node.parameters) == ({}, False)

    def test_those_of_a_file_count_too(self, tmp_path):
        file = tmp_path / 'cameras.yaml'
        file.write_text('/**:\n  ros__parameters:\n    sources: [a=csi://0, b=csi://1]\n')
        (node,) = seg(params_file=str(file))
        assert (node.remappings, 'source' in node.parameters) == ({}, False)
        assert 'sources' not in node.parameters
        assert executables(seg(params_file=str(file), image='/i')) == ['seg_node']

    @pytest.mark.parametrize(
        ('name', 'value'),
        [
            pytest.param('source', 'csi://0', id='source'),
            pytest.param('image', '/front/image_raw', id='image'),
            pytest.param('image_topics', '/front/image_raw', id='topics'),
            pytest.param('camera_params_file', 'my.yaml', id='file'),
            pytest.param('camera_namespace', 'front', id='namespace'),
        ],
    )
    def test_nothing_else_may_name_a_camera(self, name, value):
        with pytest.raises(ParameterError, match=f'^{name}:={value} is given, but sources:='):
            seg(sources='front=csi://0', **{name: value})

    def test_no_password_is_told(self):
        with pytest.raises(ParameterError) as caught:
            seg(sources='a=csi://0', source='rtsp://me:s3cret@h/a')
        assert 's3cret' not in str(caught.value)

    @pytest.mark.parametrize(
        ('name', 'shown'),
        [
            pytest.param('/rig/front', '/rig/front', id='absolute'),
            pytest.param('front', '/seg/front', id='relative'),
            pytest.param('~/front', '/seg/seg_node/front', id='private'),
        ],
    )
    def test_rviz_shows_the_first(self, name, shown):
        _, rviz = seg(model='m.onnx', sources=f'{name}=csi://0,rear=csi://1', rviz='true')
        assert rviz.remappings['/perception/image'] == f'{shown}/image_raw'
        assert rviz.remappings['/perception/annotated'] == f'{shown}/annotated'


class TestFourEngines:
    def test_of_the_package_each_with_a_model_of_its_own_precision(self):
        """The INT8 engines run quantized models: not the others under another name."""
        content = yaml.safe_load(config_path('concurrent.yaml').read_text())
        engines = content['/**']['ros__parameters']
        assert engines.pop('engines') == list(engines)
        precisions = {name: engine['precision'] for name, engine in engines.items()}
        expected = {'det': 'fp16', 'det_int8': 'int8', 'pose': 'fp16', 'pose_int8': 'int8'}
        assert precisions == expected
        assert len({engine['model'] for engine in engines.values()}) == 4
        for name, engine in engines.items():
            assert engine['model'].endswith('_int8') == name.endswith('_int8')

    @pytest.mark.usefixtures('cache')
    def test_int8_models_that_are_lacking_are_made_before(self):
        node = concurrent(image='/i')[0]
        assert node.preparation == Preparation(
            'make_int8_models', ('people_detect_int8', 'people_pose_int8')
        )
        pretend_made('people_detect_int8')
        assert concurrent(image='/i')[0].preparation.arguments == ('people_pose_int8',)
        pretend_made('people_pose_int8')
        assert concurrent(image='/i')[0].preparation is None

    @pytest.mark.parametrize(
        ('text', 'lacking'),
        [
            pytest.param('', None, id='empty'),
            pytest.param('det: {model: people_pose}', None, id='another'),
            pytest.param('det: {model: people_pose_int8}', ('people_pose_int8',), id='nested'),
            pytest.param('det.model: people_pose_int8', ('people_pose_int8',), id='dotted'),
            pytest.param('det: [', None, id='no_yaml'),
        ],
    )
    @pytest.mark.usefixtures('cache')
    def test_int8_models_of_a_file_of_the_user(self, text, lacking, tmp_path):
        file = tmp_path / 'my.yaml'
        file.write_text(f'/**:\n  ros__parameters:\n    {text}\n')
        for processes in (concurrent, yolo):
            preparation = processes(params_file=str(file), image='/i')[0].preparation
            assert (preparation and preparation.arguments) == lacking

    @pytest.mark.parametrize('onnx', [True, False], ids=['onnx', 'no_onnx'])
    def test_nothing_starts_without_the_demo_models(self, monkeypatch, onnx):
        monkeypatch.setitem(sys.modules, 'jetson_perception_scenes', None)
        if not onnx:
            monkeypatch.setitem(sys.modules, 'onnx', None)
        with pytest.raises(ModelError, match='come with jetson-perception-scenes, which is not'):
            concurrent(image='/i')
        models = {f'{name}_model': f'{name}.onnx' for name in ('detect', 'pose')}
        int8 = {f'{name}_int8_model': f'{name}_8.onnx' for name in ('detect', 'pose')}
        assert concurrent(image='/i', **models, **int8)[0].preparation is None

    @pytest.mark.usefixtures('cache')
    @pytest.mark.parametrize('engine', ['det', 'other'])
    def test_an_int8_model_that_an_argument_names_is_made(self, engine):
        node = yolo(model='people_pose_int8', engine_name=engine, image='/i')[0]
        assert node.preparation.arguments == ('people_pose_int8',)

    @pytest.mark.usefixtures('cache')
    def test_without_onnx_the_others_run_and_a_note_says_why(self, monkeypatch):
        monkeypatch.setitem(sys.modules, 'onnx', None)
        node = concurrent(image='/i', runtime='onnxruntime_cpu')[0]
        assert (node.preparation, node.parameter_file) == (None, None)
        assert node.parameters == {
            'autostart': True,
            'use_sim_time': False,
            'engines': ['det', 'pose'],
            'det.model': 'people_detect',
            'det.precision': 'fp16',
            'det.runtime': 'onnxruntime_cpu',
            'pose.model': 'people_pose',
            'pose.precision': 'fp16',
            'pose.runtime': 'onnxruntime_cpu',
        }
        assert node.note.startswith('without det_int8 and pose_int8: ')
        assert node.note.endswith(pip_install('onnx'))
        node = concurrent(image='/i', detect_model='d.onnx', detect_int8_model='d8.onnx')[0]
        assert node.parameters['engines'] == ['det', 'det_int8', 'pose']
        assert node.parameters['det_int8.model'] == 'd8.onnx'
        assert node.note.startswith('without pose_int8: ')

    @pytest.mark.usefixtures('cache')
    def test_models_that_are_made_need_no_onnx(self, monkeypatch):
        monkeypatch.setitem(sys.modules, 'onnx', None)
        pretend_made()
        node = concurrent(image='/i')[0]
        assert (node.preparation, node.note) == (None, '')
        assert node.parameter_file == config_path('concurrent.yaml')

    @pytest.mark.usefixtures('cache')
    def test_what_an_argument_overrules_is_not_made(self):
        node = concurrent(pose_model='p.onnx', pose_int8_model='p8.onnx', image='/i')[0]
        assert node.preparation.arguments == ('people_detect_int8',)

    def test_a_preparation_is_a_program_of_the_package(self):
        prefix = installed_prefix()
        if prefix is None:
            pytest.skip('the package is not built with colcon here')
        command = Preparation('make_int8_models', ('people_pose_int8',)).command(prefix)
        assert os.access(command[0], os.X_OK)
        assert command[1:] == ['people_pose_int8']

    def test_of_the_user(self):
        node = concurrent(
            detect_model='/m/d.onnx',
            detect_int8_model='/m/d8.onnx',
            pose_model='/m/p.onnx',
            pose_int8_model='/m/p8.onnx',
            runtime='tensorrt',
            image='/i',
        )[0]
        parameters = {name: value for name, value in node.parameters.items() if '.' in name}
        assert parameters == {
            'det.model': '/m/d.onnx',
            'det.runtime': 'tensorrt',
            'det_int8.model': '/m/d8.onnx',
            'det_int8.runtime': 'tensorrt',
            'pose.model': '/m/p.onnx',
            'pose.runtime': 'tensorrt',
            'pose_int8.model': '/m/p8.onnx',
            'pose_int8.runtime': 'tensorrt',
        }
        assert node.parameter_file == config_path('concurrent.yaml')

    @pytest.mark.parametrize(
        ('given', 'lacking'),
        [
            ('detect_model', 'detect_int8_model'),
            ('pose_model', 'pose_int8_model'),
            ('detect_int8_model', 'detect_model'),
        ],
    )
    def test_a_model_in_one_precision_only_is_refused(self, given, lacking):
        with pytest.raises(ParameterError, match=f'{given} is set but {lacking} is not') as error:
            concurrent(**{given: 'my.onnx'})
        assert error.value.parameter == lacking


class TestCommand:
    def test_with_nothing_set(self):
        assert NodeProcess('seg_node').command('/opt/ws') == [
            '/opt/ws/lib/jetson_perception/seg_node',
            '--ros-args',
        ]

    def test_in_the_order_in_which_ros_takes_them(self):
        """A parameter set by name wins over the file, which must come before it."""
        process = NodeProcess(
            'rviz2',
            '/a/b/',
            'eyes',
            package='rviz2',
            parameter_file=Path('/etc/x.yaml'),
            parameters={'loop': True, 'engines': ['det', 'pose']},
            remappings={'image': '/c'},
            arguments=('-d', 'x.rviz'),
        )
        assert process.command('/opt') == [
            *('/opt/lib/rviz2/rviz2', '-d', 'x.rviz', '--ros-args'),
            *('-r', '__node:=eyes', '-r', '__ns:=/a/b', '-r', 'image:=/c'),
            *('--params-file', '/etc/x.yaml'),
            *('-p', 'loop:=true', '-p', 'engines:=["det", "pose"]'),
        ]

    @pytest.mark.parametrize(
        'value',
        [
            pytest.param('', id='empty'),
            pytest.param('true', id='text_like_a_flag'),
            pytest.param('12', id='text_like_a_number'),
            pytest.param('a: "b" #c', id='quotes_colon_hash'),
            pytest.param(1.0, id='whole_float'),
            pytest.param(1e-7, id='small_float'),
            pytest.param(['a', ''], id='texts'),
        ],
    )
    def test_values_keep_their_type(self, value):
        command = replace(NodeProcess('seg_node'), parameters={'x': value}).command('/opt')
        text = command[-1].removeprefix('x:=')
        assert json.loads(text) == value
        assert type(json.loads(text)) is type(value)


class TestTransport:
    @pytest.mark.parametrize(('arguments', 'processes'), LAUNCH_FILES)
    def test_every_process_of_ours_chooses_unless_told_not_to(self, arguments, processes):
        for process in processes(defaults(arguments)):
            assert process.environment == {}
        for process in processes(defaults(arguments, transport='system')):
            assert process.environment == {'JETSON_PERCEPTION_TRANSPORT': 'system'}
