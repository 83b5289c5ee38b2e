"""The examples as users have them: built by colcon, run beside the real nodes."""

import os
import shutil
import signal
import subprocess
from pathlib import Path

import pytest
from ament_index_python.packages import PackageNotFoundError, get_package_prefix
from geometry_msgs.msg import Twist
from nodes.support import DEADLINE_S, node_process, wait_for_exit
from rosbags.highlevel import AnyReader
from std_msgs.msg import Bool
from vision_msgs.msg import Detection2DArray, Detection3DArray

from jetson_perception.bringup import NodeProcess
from jetson_perception.ros.processes import RunningProcess

ROOT = Path(__file__).resolve().parents[3]
EXAMPLES = ROOT / 'examples'
PYTHON = sorted(path.parent.name for path in EXAMPLES.glob('*/setup.py'))


def colcon(*arguments):
    command = shutil.which('colcon')
    if command is None:
        pytest.skip('colcon is not installed')
    done = subprocess.run([command, *arguments], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.mark.slow
def test_a_workspace_builds_them_only_where_it_is_told_to(tmp_path):
    log = ('--log-base', str(tmp_path))
    found = colcon(*log, 'list', '--names-only', '--base-paths', str(ROOT)).split()
    assert found == ['jetson_perception']
    found = colcon(*log, 'list', '--names-only', '--base-paths', str(EXAMPLES)).split()
    assert sorted(found) == sorted(path.parent.name for path in EXAMPLES.glob('*/package.xml'))


def sourced(folder, names):
    """Environment of a shell in which a workspace with these examples is built and sourced."""
    (folder / 'src').mkdir()
    for name in names:  # a build leaves files beside setup.py
        shutil.copytree(EXAMPLES / name, folder / 'src' / name)
    colcon(
        *('--log-base', str(folder / 'log'), 'build', '--merge-install'),
        *('--base-paths', str(folder / 'src'), '--build-base', str(folder / 'build')),
        *('--install-base', str(folder / 'install')),
    )
    printed = subprocess.run(
        ['bash', '-c', f'. {folder}/install/local_setup.bash && env -0'],
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    return dict(line.partition('=')[::2] for line in printed.split('\0') if line)


@pytest.fixture(scope='module')
def installed(tmp_path_factory):
    """Environment of a shell in which a workspace with the examples in Python is sourced."""
    return sourced(tmp_path_factory.mktemp('workspace'), PYTHON)


@pytest.fixture(scope='module')
def cpp_installed(tmp_path_factory):
    """The same with that in C++."""
    try:
        get_package_prefix('rclcpp')
    except PackageNotFoundError:
        pytest.skip('rclcpp is not installed')
    return sourced(tmp_path_factory.mktemp('workspace'), ['cpp_listener'])


@pytest.fixture
def start_example(installed, peer, tmp_path, monkeypatch):
    """Starts an example's node; it has to end with 0 at Ctrl-C."""
    for name in ('AMENT_PREFIX_PATH', 'PYTHONPATH', 'PATH'):
        monkeypatch.setenv(name, installed[name])
    started = []

    def start(name, **remappings):
        process = NodeProcess(name, peer.namespace, package=name, remappings=remappings)
        started.append(RunningProcess(process, tmp_path / f'{name}.log'))
        peer.watched.append(started[-1])
        return started[-1]

    yield start
    for node in started:
        if node in peer.watched:
            peer.watched.remove(node)
        assert node.end() == 0, node.log.read_text()
        assert 'Traceback' not in node.log.read_text()


def end_as_launch_does(node, number):
    """Tell a node to end twice: Ctrl-C reaches it from the terminal and from launch."""
    for _ in range(2):
        os.kill(node.pid, number)
    assert wait_for_exit(node) == 0


@pytest.mark.slow
def test_markers_end_while_nothing_comes(peer, start_example):
    node = start_example('detection_markers')
    publisher = peer.node.create_publisher(Detection3DArray, 'detections_3d', 1)
    peer.wait_for_subscriber(publisher)
    peer.watched.remove(node)
    end_as_launch_does(node, signal.SIGINT)


@pytest.mark.slow
@pytest.mark.parametrize('number', [signal.SIGINT, signal.SIGTERM])
def test_the_belt_runs_with_seg_node_and_stops_without(peer, start, start_example, number):
    said = peer.collect('run', Bool)
    seg = node_process(
        'seg_node', peer.namespace, model='oranges', source='scene://oranges?width=320&height=240'
    )
    seg_node = start(seg)
    belt = start_example('belt_stop')
    # An orange with large ulcers may come first.
    peer.wait_for(lambda: said and said[-1].data, 'a belt that runs')
    peer.watched.remove(seg_node)
    os.kill(seg_node.pid, signal.SIGSTOP)  # as one that hangs
    try:
        peer.wait_for(lambda: not said[-1].data, 'a belt that stops')
    finally:
        os.kill(seg_node.pid, signal.SIGCONT)
        peer.watched.append(seg_node)
    peer.wait_for(lambda: said[-1].data, 'a belt that runs again')
    peer.watched.remove(belt)
    end_as_launch_does(belt, number)
    peer.wait_for(lambda: not said[-1].data, 'the stop at the end')


@pytest.mark.slow
def test_a_person_that_yolo_node_sees_is_followed(peer, start, start_example):
    commands = peer.collect('cmd_vel', Twist)
    start(
        node_process(
            'yolo_node',
            peer.namespace,
            engines=['det'],
            det__model='people_detect',
            det__tracker='bytetrack',
            source='scene://people?width=320&height=240',
        )
    )
    follower = start_example(
        'follow_person', detections='det/detections', camera_info='camera/camera_info'
    )
    deadman = peer.node.create_publisher(Bool, 'deadman', 1)

    def moves():
        deadman.publish(Bool(data=True))
        return any(command != Twist() for command in commands[-3:])

    peer.wait_for(moves, 'a velocity')
    deadman.publish(Bool(data=False))
    peer.wait_for(lambda: commands[-1] == Twist(), 'a velocity of 0')
    peer.wait_for(moves, 'a velocity')
    peer.watched.remove(follower)
    end_as_launch_does(follower, signal.SIGINT)
    peer.wait_for(lambda: commands[-1] == Twist(), 'a velocity of 0')


@pytest.mark.slow
@pytest.mark.parametrize(
    ('node', 'parameters', 'logged'),
    [
        pytest.param(
            'yolo_node',
            {'engines': ['pose'], 'pose__model': 'people_pose', 'source': 'scene://people'},
            [
                r'pose/detections: [1-9]\d* objects, person at',
                r'pose/keypoints: [1-9]\d* skeletons, \d+ of 17 keypoints seen',
                r'pose/stats: pose, ',
                r'pose/label_info: 1 classes',
                r'camera/camera_info: 1280x720',
            ],
            id='yolo',
        ),
        pytest.param(
            'seg_node',
            {'model': 'oranges', 'source': 'scene://oranges'},
            [
                r'(?<!/)label_info: 4 classes',
                r'mask: in the middle is [a-z]',
                r'summary: shares, background 0\.9',
                r'(?<!/)stats: segmentation, ',
            ],
            id='seg',
        ),
    ],
)
def test_cpp_listener(peer, start, cpp_installed, monkeypatch, node, parameters, logged):
    monkeypatch.setenv('AMENT_PREFIX_PATH', cpp_installed['AMENT_PREFIX_PATH'])
    engine = parameters.get('engines', ['none'])[0]
    listener = start(
        NodeProcess(
            'listener', peer.namespace, package='cpp_listener', parameters={'engine': engine}
        )
    )
    start(node_process(node, peer.namespace, **parameters))
    for pattern in logged:
        peer.wait_for_log(listener, pattern)


@pytest.mark.slow
def test_two_cameras_are_tracked_and_recorded(peer, installed, tmp_path):
    """The launch file by the real launch, which includes that of the package."""
    if shutil.which('ros2') is None:
        pytest.skip('the command ros2 is not installed')
    scene = 'scene://people?width=320&height=240'
    launched = subprocess.Popen(
        [
            *('ros2', 'launch', 'two_cameras', 'two_cameras.launch.py'),
            *(f'front:={scene}', f'rear:={scene}', f'record:={tmp_path / "bags"}'),
        ],
        env=installed,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )
    try:
        found = {
            camera: peer.collect(f'/robot/{camera}/det/detections', Detection2DArray)
            for camera in ('front', 'rear')
        }
        for camera, arrays in found.items():
            peer.wait_for(
                lambda arrays=arrays: any(each.id for msg in arrays for each in msg.detections),
                f'tracked objects of {camera}',
            )
    finally:
        os.killpg(launched.pid, signal.SIGINT)
        said, _ = launched.communicate(timeout=DEADLINE_S)
    assert launched.returncode == 0, said
    (bag,) = (tmp_path / 'bags').iterdir()
    with AnyReader([bag]) as reader:
        counts = {each.topic: each.msgcount for each in reader.connections}
    for camera in ('front', 'rear'):
        assert counts[f'/robot/{camera}/det/detections'] > 0
        assert counts[f'/robot/{camera}/image_raw/compressed'] > 0
