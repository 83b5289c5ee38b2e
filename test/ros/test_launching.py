"""The launch files by the real launch: their arguments, and what they start.

launch and launch_ros come with a ROS 2 distribution; where ROS is from PyPI they are missing, and
test_bringup.py starts the same processes without them.
"""

import importlib.util
import os
import re
import select
import shutil
import signal
import subprocess
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest
from int8_twins import pretend_made
from nodes.support import Peer, image_message
from onnx_models import color_segmentation, detector
from sensor_msgs.msg import Image
from vision_msgs.msg import Detection2DArray

if importlib.util.find_spec('launch_ros') is None:
    pytest.skip('launch_ros is not installed', allow_module_level=True)

from ament_index_python.packages import (
    PackageNotFoundError,
    get_package_prefix,
    get_package_share_directory,
)
from launch import LaunchContext, LaunchDescription, LaunchDescriptionSource, LaunchService
from launch.actions import (
    GroupAction,
    IncludeLaunchDescription,
    OpaqueFunction,
    RegisterEventHandler,
    SetLaunchConfiguration,
    Shutdown,
)
from launch.event_handlers import OnProcessStart
from launch.launch_description_sources import PythonLaunchDescriptionSource
from launch.utilities import perform_substitutions

from jetson_perception import bringup
from jetson_perception.errors import ParameterError
from jetson_perception.process.orphans import ends_with_parent
from jetson_perception.ros.launching import launch_description

LAUNCH = Path(get_package_share_directory('jetson_perception'), 'launch')
FILES = [
    pytest.param('seg', bringup.SEG_ARGUMENTS, bringup.seg, id='seg'),
    pytest.param('yolo', bringup.YOLO_ARGUMENTS, bringup.yolo, id='yolo'),
    pytest.param('concurrent', bringup.CONCURRENT_ARGUMENTS, bringup.concurrent, id='concurrent'),
    pytest.param('camera', bringup.CAMERA_ARGUMENTS, bringup.camera, id='camera'),
]


def description_of(name):
    source = PythonLaunchDescriptionSource(str(LAUNCH / f'{name}.launch.py'))
    return source.get_launch_description(LaunchContext())


@pytest.mark.parametrize(('name', 'arguments', 'processes'), FILES)
def test_arguments_are_those_of_bringup(name, arguments, processes):
    context = LaunchContext()
    declared = description_of(name).get_launch_arguments()
    assert [
        (
            argument.name,
            perform_substitutions(context, argument.default_value),
            argument.description.partition(' Valid choices are: ')[0],
            tuple(argument.choices or ()),
        )
        for argument in declared
    ] == [(a.name, a.default, a.description, a.choices) for a in arguments]


@pytest.mark.parametrize(('name', 'arguments', 'processes'), FILES)
def test_nodes_are_those_of_bringup(name, arguments, processes, tmp_path, monkeypatch):
    monkeypatch.setenv('XDG_CACHE_HOME', str(tmp_path))
    pretend_made()
    values = bringup.defaults(arguments, source='images:///pictures: all')
    context = LaunchContext()
    context.launch_configurations.update(values)
    (start,) = [e for e in description_of(name).entities if isinstance(e, OpaqueFunction)]
    nodes = start.execute(context)
    expected = processes(values)
    assert [node.node_package for node in nodes] == [p.package for p in expected]
    assert [node.node_executable for node in nodes] == [p.executable for p in expected]


@pytest.mark.parametrize(('name', 'arguments', 'processes'), FILES[:3])
def test_an_argument_under_its_old_name_is_an_error(name, arguments, processes):
    context = LaunchContext()
    context.launch_configurations.update(bringup.defaults(arguments), engine='tensorrt')
    (start,) = [e for e in description_of(name).entities if isinstance(e, OpaqueFunction)]
    with pytest.raises(ParameterError, match='engine is now called runtime; give runtime:='):
        start.execute(context)


def test_a_note_is_logged():
    node = bringup.NodeProcess('seg_node', note='without this: that')
    (start,) = [
        entity
        for entity in launch_description((), lambda values: [node]).entities
        if isinstance(entity, OpaqueFunction)
    ]
    context = LaunchContext()
    note, started = start.execute(context)
    assert perform_substitutions(context, note.msg) == 'seg_node: without this: that'
    assert started.node_executable == 'seg_node'


class TestTwoIncludes:
    """Launch keeps what one include was given for those after it, but in a group."""

    @pytest.fixture
    def include(self):
        """A function that includes yolo.launch.py or seg.launch.py; it has what they took."""

        def include(name, **given):
            arguments = {'yolo': bringup.YOLO_ARGUMENTS, 'seg': bringup.SEG_ARGUMENTS}[name]

            def take(values):
                include.taken.append(values)
                return []

            path = str(LAUNCH / f'{name}.launch.py')
            ours = LaunchDescriptionSource(launch_description(arguments, take), path)
            return IncludeLaunchDescription(ours, launch_arguments=given.items())

        include.taken = []
        return include

    def launch(self, caplog, *actions):
        """The warnings, and the arguments that hold afterwards."""
        context = LaunchContext()

        def visit(entity):
            for each in entity.visit(context) or ():
                visit(each)

        visit(LaunchDescription(actions))
        return caplog.messages, context.launch_configurations

    def test_defaults_of_one_are_none_of_the_next(self, include, caplog):
        warnings, after = self.launch(
            caplog, include('yolo', namespace='front'), include('seg', namespace='rear')
        )
        assert [taken['name'] for taken in include.taken] == ['yolo_node', 'seg_node']
        assert [taken['namespace'] for taken in include.taken] == ['front', 'rear']
        assert warnings == []
        assert 'name' not in after

    def test_what_is_kept_is_warned_of(self, include, caplog):
        first = {'namespace': 'front', 'score_threshold': '0.9', 'model': 'secret'}
        warnings, _ = self.launch(
            caplog,
            include('yolo', **first),
            include('yolo', namespace='rear', model='other'),
        )
        assert [taken['score_threshold'] for taken in include.taken] == ['0.9', '0.9']
        assert warnings == [
            'launch keeps the arguments of an include for those after it: yolo.launch.py has the '
            'values of yolo.launch.py for score_threshold. Put each include into a '
            'GroupAction([...]) of its own, even if you want that'
        ]

    def test_a_group_keeps_them_apart(self, include, caplog):
        first = {'namespace': 'front', 'score_threshold': '0.9'}
        warnings, after = self.launch(
            caplog,
            GroupAction([include('yolo', **first)]),
            GroupAction([include('yolo', namespace='rear')]),
        )
        assert [taken['score_threshold'] for taken in include.taken] == ['0.9', '']
        assert warnings == []
        assert after == {}

    def test_arguments_of_the_file_that_includes_them(self, include, caplog):
        """They hold for ours by their names, unless the group forwards none."""
        warnings, after = self.launch(
            caplog,
            SetLaunchConfiguration('respawn', 'true'),
            GroupAction([include('seg')]),
            GroupAction([include('seg', source='scene://oranges')], forwarding=False),
        )
        assert [taken['respawn'] for taken in include.taken] == ['true', 'false']
        assert include.taken[1]['source'] == 'scene://oranges'
        assert warnings == []
        assert after == {'respawn': 'true'}


#: Includes one of our launch files, with an argument of its own that ours does not have.
INCLUDING = """
import os
from ament_index_python.packages import get_package_share_directory
from launch import LaunchDescription
from launch.actions import DeclareLaunchArgument, IncludeLaunchDescription
from launch.launch_description_sources import PythonLaunchDescriptionSource

def generate_launch_description():
    folder = os.path.join(get_package_share_directory('jetson_perception'), 'launch')
    ours = PythonLaunchDescriptionSource(os.path.join(folder, 'seg.launch.py'))
    return LaunchDescription([
        DeclareLaunchArgument('robot'),
        DeclareLaunchArgument('file'),
        IncludeLaunchDescription(ours, launch_arguments={'params_file': '/none.yaml'}.items()),
    ])
"""
NAMES = 'launched'


def ros2():
    command = shutil.which('ros2')
    if command is None:
        pytest.skip('the command ros2 is not installed')
    return command


def is_installed(package):
    try:
        get_package_prefix(package)
    except PackageNotFoundError:
        return False
    return True


def launched(folder, file, *arguments):
    """Exit code and output of `ros2 launch` that ends by itself."""
    named = [file] if os.sep in file else ['jetson_perception', file]
    ended = subprocess.run(
        [ros2(), 'launch', *named, *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=60,
        env=os.environ | {'ROS_LOG_DIR': str(folder / 'log')},
    )
    return ended.returncode, ended.stdout


class TestPreparation:
    """A program that ends before the node starts, by the real launch."""

    def started_by(self, program):
        """Names of the processes, in their order; all end when the node is there."""
        node = bringup.NodeProcess('seg_node', preparation=program)
        started = []

        def note(event, _context):
            started.append(event.process_name.rpartition('-')[0])
            return Shutdown() if started[-1] == 'seg_node' else None

        noting = RegisterEventHandler(OnProcessStart(on_start=note))
        description = launch_description((), lambda values: [node])
        service = LaunchService()
        service.include_launch_description(LaunchDescription([noting, *description.entities]))
        service.run()
        return started

    def test_the_node_starts_when_it_has_ended_well(self, tmp_path, monkeypatch):
        monkeypatch.setenv('XDG_CACHE_HOME', str(tmp_path))
        pretend_made()
        program = bringup.Preparation('make_int8_models', ('people_pose_int8',))
        assert self.started_by(program) == ['make_int8_models', 'seg_node']

    def test_everything_ends_when_it_fails(self):
        program = bringup.Preparation('make_int8_models', ('none',))
        assert self.started_by(program) == ['make_int8_models']


class TestCommand:
    """`ros2 launch` itself, if there is one."""

    #: Processes that a test kills.
    killed = 0

    @pytest.fixture
    def peer(self):
        with closing(Peer()) as made:
            yield made

    @pytest.fixture
    def ros2_launch(self, peer, tmp_path):
        """Launches a file in the peer's namespace; all end as by Ctrl-C, with 0."""
        command = shutil.which('ros2')
        if command is None:
            pytest.skip('the command ros2 is not installed')
        started = []

        def launch(name, **values):
            arguments = [f'{key}:={value}' for key, value in values.items()]
            log = tmp_path / f'{name}.log'
            with log.open('w') as output:
                process = subprocess.Popen(
                    [command, 'launch', 'jetson_perception', f'{name}.launch.py', *arguments],
                    stdout=output,
                    stderr=subprocess.STDOUT,
                    start_new_session=True,
                )
            started.append((process, log))
            return log

        yield launch
        for process, log in started:
            # The whole group, as a terminal does: each node is told twice, by launch as well.
            os.killpg(process.pid, signal.SIGINT)
            try:
                code = process.wait(60)
            finally:
                if process.poll() is None:
                    os.killpg(process.pid, signal.SIGKILL)
            text = log.read_text()
            assert code == 0, text
            assert text.count('process has died') == self.killed
            assert 'Traceback' not in text

    def test_seg_on_a_topic(self, peer, ros2_launch, tmp_path):
        model = color_segmentation(tmp_path / 'my: colors.onnx')
        ros2_launch('seg', model=model, image=f'/{peer.namespace}/front', namespace=peer.namespace)
        masks = peer.collect('mask', Image)
        red = np.zeros((48, 64, 3), np.uint8)
        red[..., 2] = 255
        answer = peer.ask(peer.image_publisher('front'), image_message(red), masks)
        assert set(bytes(answer.data)) == {1}

    def test_yolo_with_a_camera_of_pictures(self, peer, ros2_launch, tmp_path):
        import cv2

        model = detector(tmp_path / 'my.onnx')
        folder = tmp_path / 'two: pictures'
        folder.mkdir()
        for index in range(2):
            cv2.imwrite(str(folder / f'{index}.png'), np.zeros((48, 64, 3), np.uint8))
        ros2_launch(
            'yolo',
            model=model,
            engine_name='eyes',
            namespace=peer.namespace,
            camera_namespace=f'{peer.namespace}/cam',
            source=f'images://{folder}',
            loop='true',
        )
        found = peer.collect('eyes/detections', Detection2DArray)
        peer.wait_for(lambda: found, 'detections')
        assert found[0].header.frame_id == f'{peer.namespace}_cam'
        assert len(found[0].detections) == 1

    @pytest.mark.slow
    def test_a_camera_that_was_killed_comes_back(self, peer, ros2_launch):
        log = ros2_launch(
            'camera',
            source='scene://oranges?width=64&height=64',
            camera_namespace=f'{peer.namespace}/cam',
            respawn='true',
            respawn_delay='0.5',
        )
        images = peer.collect('cam/image_raw', Image)

        def started():
            line = r'camera_node-\d+\]: process started with pid \[(\d+)\]'
            return re.findall(line, log.read_text())

        for killed in range(1, 3):
            peer.wait_for(lambda: images, 'an image')
            os.kill(int(started()[-1]), signal.SIGKILL)
            peer.wait_for(lambda count=killed: len(started()) > count, 'another process')
            self.killed = killed
            images.clear()
        peer.wait_for(lambda: images, 'an image')

    def test_show_args(self):
        command = shutil.which('ros2')
        if command is None:
            pytest.skip('the command ros2 is not installed')
        shown = subprocess.run(
            [command, 'launch', 'jetson_perception', 'seg.launch.py', '--show-args'],
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for argument in bringup.SEG_ARGUMENTS:
            assert f"'{argument.name}'" in shown
            assert argument.description.split('.')[0][:40] in shown

    @pytest.mark.parametrize(
        ('name', 'arguments', 'said'),
        [
            pytest.param(
                'seg',
                ['rviz:=true'],
                'nothing is started: rviz2 of the package rviz2 is not installed',
                id='rviz2_is_missing',
            ),
            pytest.param('seg', ['modle:=x'], 'modle (did you mean model:=?)', id='unknown'),
            pytest.param('camera', ['rate:=5'], 'mean frame_rate:=?)', id='unknown_to_camera'),
            pytest.param(
                'yolo', ['params_file:=/no file ü.yaml'], 'no file ü.yaml cannot', id='no_file'
            ),
            pytest.param('yolo', ['engine_name:=front'], 'no model is given', id='no_model'),
        ],
    )
    def test_errors_are_reported_before_anything_starts(self, name, arguments, said, tmp_path):
        """In one line, and with nothing left running."""
        if 'rviz:=true' in arguments and is_installed('rviz2'):
            pytest.skip('rviz2 is installed')
        code, text = launched(tmp_path, f'{name}.launch.py', *arguments)
        assert code == 1
        lines = [line for line in text.splitlines() if '[INFO] [launch]' not in line]
        assert len(lines) == 1, text
        assert said in lines[0]
        assert lines[0].startswith('[ERROR] [launch]: ')

    def test_a_launch_file_that_includes_ours_has_its_own_arguments(self, tmp_path):
        """So these are no errors; those that `ros2 launch` gives our own file are."""
        outer = tmp_path / 'outer.launch.py'
        outer.write_text(INCLUDING)
        code, text = launched(tmp_path, str(outer), 'robot:=r1', 'file:=seg.launch.py')
        assert 'params_file /none.yaml cannot be read' in text
        assert 'robot' not in text.replace(str(tmp_path), '')
        assert code == 1
        ours = str(LAUNCH / 'seg.launch.py')
        assert (
            'seg.launch.py has no launch argument robot'
            in launched(tmp_path, ours, 'robot:=r1')[1]
        )

    @pytest.mark.parametrize('number', [signal.SIGKILL, signal.SIGTERM])
    def test_no_node_outlives_launch(self, peer, tmp_path, number):
        """Launch ends nobody when it is killed, and says so itself when it is terminated."""
        if not ends_with_parent():
            pytest.skip('setpriv of util-linux is not installed')
        log = tmp_path / 'launch.log'
        with log.open('w') as output:
            process = subprocess.Popen(
                [ros2(), 'launch', 'jetson_perception', 'seg.launch.py', f'namespace:={NAMES}'],
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        try:
            peer.wait_for(
                lambda: log.read_text().count('process started with pid') == 2, 'both nodes'
            )
            pids = map(int, re.findall(r'started with pid \[(\d+)\]', log.read_text()))
            nodes = [os.pidfd_open(pid) for pid in pids]
            assert not select.select(nodes, [], [], 0)[0]
            process.send_signal(number)
            process.wait(60)
            for node in nodes:
                assert select.select([node], [], [], 60)[0], log.read_text()
                os.close(node)
        finally:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)

    def test_an_argument_under_its_old_name_ends_it(self):
        command = shutil.which('ros2')
        if command is None:
            pytest.skip('the command ros2 is not installed')
        ended = subprocess.run(
            [command, 'launch', 'jetson_perception', 'seg.launch.py', 'engine:=tensorrt'],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=60,
        )
        assert ended.returncode == 1
        assert 'the launch argument engine is now called runtime; give runtime:=' in ended.stdout
        assert 'process started' not in ended.stdout
