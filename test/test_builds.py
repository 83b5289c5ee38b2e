"""What the ROS package installs, built for real by CMake: all of it, or parts."""

from __future__ import annotations

import importlib.util
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
SCENES = 'jetson_perception_scenes'

pytestmark = [
    pytest.mark.ros,
    pytest.mark.slow,
    pytest.mark.skipif(
        importlib.util.find_spec('rosidl_cmake') is None or shutil.which('cmake') is None,
        reason='no ROS to build with, or no CMake',
    ),
]


class Build:
    """A build folder and what it installs."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.prefix = folder / 'installed'

    def install(self, *options: str) -> None:
        """Configure with these options, build and install."""
        build = str(self._folder / 'build')
        self._run(
            'cmake',
            *('-S', str(ROOT), '-B', build, f'-DCMAKE_INSTALL_PREFIX={self.prefix}'),
            *(f'-DPython3_EXECUTABLE={sys.executable}', '-DBUILD_TESTING=OFF'),
            *options,
        )
        self._run('cmake', '--build', build)
        self._run('cmake', '--install', build)

    @property
    def packages(self) -> Path:
        """Where Python packages are installed."""
        (found,) = self.prefix.rglob('site-packages')
        return found

    def python(self, code: str) -> str:
        """What code prints that finds these packages first."""
        path = [str(self.packages), *filter(None, os.environ.get('PYTHONPATH', '').split(':'))]
        libraries = [str(self.prefix / 'lib'), os.environ.get('LD_LIBRARY_PATH', '')]
        environ = {
            **os.environ,
            'PYTHONPATH': ':'.join(path),
            'LD_LIBRARY_PATH': ':'.join(libraries),
        }
        return self._run(sys.executable, '-c', code, cwd=self._folder, env=environ)

    @staticmethod
    def _run(*command: str, **options: object) -> str:
        done = subprocess.run(command, capture_output=True, text=True, check=False, **options)
        assert done.returncode == 0, f'{" ".join(command)}\n{done.stdout[-4000:]}{done.stderr}'
        return done.stdout


@pytest.fixture(scope='module')
def build(tmp_path_factory):
    """The messages alone; tests add to it, in their order, as the messages take longest."""
    made = Build(tmp_path_factory.mktemp('build'))
    made.install('-DJETSON_PERCEPTION_MESSAGES_ONLY=ON')
    return made


def test_messages_alone_can_be_used_and_bring_nothing_else(build):
    said = build.python(
        'from jetson_perception.msg import PipelineStats\n'
        'from rclpy.serialization import deserialize_message, serialize_message\n'
        "message = PipelineStats(engine='det')\n"
        'print(deserialize_message(serialize_message(message), PipelineStats).engine)\n'
    )
    assert said == 'det\n'
    messages = {path.stem for path in (ROOT / 'msg').iterdir()}
    share = build.prefix / 'share/jetson_perception'
    assert {path.stem for path in (share / 'msg').glob('*.msg')} == messages
    assert (share / 'srv' / 'Trace.srv').is_file()
    assert not list(build.prefix.rglob('*.launch.py'))
    assert not list(build.prefix.rglob('yolo_node*'))
    folders = {path.name for path in (build.packages / 'jetson_perception').iterdir()}
    assert folders >= {'msg', 'srv'}
    assert not (build.packages / 'jetson_perception/nodes').exists()
    assert not list(build.packages.glob(f'{SCENES}*'))


def test_scenes_that_an_earlier_build_installed_go(build):
    build.install('-DJETSON_PERCEPTION_MESSAGES_ONLY=OFF', '-DWITH_SCENES=ON')
    assert (build.packages / SCENES / 'oranges.py').is_file()
    assert len(list(build.packages.glob(f'{SCENES}-*.dist-info'))) == 1
    other = build.packages / f'{SCENES}_of_others'
    other.mkdir()
    build.install('-DWITH_SCENES=OFF')
    assert list(build.packages.glob(f'{SCENES}*')) == [other]
    assert (build.packages / 'jetson_perception/nodes/yolo_node.py').is_file()
    assert (build.prefix / 'lib/jetson_perception/yolo_node').is_file()
