"""What a user installs: the files, the version, the commands, in all the ways to install it."""

from __future__ import annotations

import importlib.metadata
import importlib.util
import re
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path
from xml.etree import ElementTree

import pytest

from jetson_perception.errors import ModelError, ParameterError
from jetson_perception.resources import config_path, model_path, share_directory

ROOT = Path(__file__).resolve().parent.parent
MANIFEST = ElementTree.parse(ROOT / 'package.xml').getroot()
VERSION = MANIFEST.findtext('version')


def files_under(folder: str, *patterns: str) -> set[str]:
    """Paths relative to the checkout; caches left out."""
    return {
        str(path.relative_to(ROOT))
        for pattern in patterns
        for path in (ROOT / folder).rglob(pattern)
        if '__pycache__' not in path.parts
    }


MOST_BYTES = 7_000_000


def build_wheel(project: Path, names: list[str], folder: Path) -> Path:
    """The wheel of a copy: a build leaves its folders beside setup.py, as one before this did."""
    source, target = folder / 'source', folder / 'wheel'
    before = source / 'build/lib' / names[0]
    before.mkdir(parents=True)
    (before / 'removed.py').touch()
    for name in names:
        if (project / name).is_dir():
            ignored = shutil.ignore_patterns('__pycache__')
            shutil.copytree(project / name, source / name, ignore=ignored)
        else:
            shutil.copy(project / name, source)
    command = [sys.executable, '-m', 'pip', 'wheel', '--no-deps', '--no-build-isolation']
    done = subprocess.run(
        [*command, '--no-index', '-w', str(target), str(source)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    (path,) = target.glob('*.whl')
    return path


@pytest.fixture(scope='module')
def wheel(tmp_path_factory) -> Path:
    names = ['jetson_perception', 'models', 'config', 'setup.py', 'pyproject.toml']
    names += ['MANIFEST.in', 'package.xml', 'LICENSE', 'README.md']
    return build_wheel(ROOT, names, tmp_path_factory.mktemp('library'))


@pytest.fixture(scope='module')
def scenes_wheel(tmp_path_factory) -> Path:
    names = ['jetson_perception_scenes', 'setup.py', 'pyproject.toml', 'entry_points.txt']
    names += ['LICENSE', 'README.md']
    return build_wheel(ROOT / 'scenes', names, tmp_path_factory.mktemp('scenes'))


def run_with(places: list[Path], code: str, folder: Path) -> subprocess.CompletedProcess[str]:
    """Run code with these places before the environment's, which has neither of ours."""
    ours = ('jetson_perception', 'jetson_perception_scenes')
    others = [path for path in sys.path if path and not any(Path(path, n).exists() for n in ours)]
    start = f'import sys; sys.path[:] = {[*map(str, places), *others]!r}\n'
    return subprocess.run(
        [sys.executable, '-c', start + code],
        env={'_ROS_WHEELS_BOOTSTRAP_COMPLETE': '1'},
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )


class TestWheel:
    def test_is_light(self, wheel):
        assert wheel.stat().st_size <= MOST_BYTES

    def test_carries_the_version_of_package_xml(self, wheel):
        assert wheel.name == f'jetson_perception-{VERSION}-py3-none-any.whl'

    def test_carries_every_module_model_and_configuration(self, wheel):
        names = {name for name in zipfile.ZipFile(wheel).namelist() if '.dist-info/' not in name}
        data = files_under('models', '*.onnx', '*.yaml')
        data |= files_under('config', '*.yaml', '*.rviz', '*.xml', '*.json')
        code = files_under('jetson_perception', '*.py', 'py.typed', '*.cu', '*.cuh')
        fonts = files_under('jetson_perception/drawing/fonts', '*.ttf', '*.txt')
        assert len(fonts) == 2
        page = files_under('jetson_perception/view/page', '*.html', '*.css', '*.js', '*.svg')
        assert len(page) > 5
        assert names == code | fonts | page | {f'jetson_perception/share/{name}' for name in data}

    def test_carries_the_license_and_the_command(self, wheel):
        archive = zipfile.ZipFile(wheel)
        info = f'jetson_perception-{VERSION}.dist-info'
        assert 'Apache License' in archive.read(f'{info}/licenses/LICENSE').decode()
        assert 'jetson-perception = jetson_perception.__main__:main' in (
            archive.read(f'{info}/entry_points.txt').decode()
        )

    def test_finds_its_own_files_once_unpacked(self, wheel, tmp_path):
        zipfile.ZipFile(wheel).extractall(tmp_path)
        code = (
            'from jetson_perception.resources import share_directory, config_path, model_path\n'
            "print(share_directory(), config_path('seg_node'), model_path('oranges'), sep='\\n')"
        )
        share = tmp_path / 'jetson_perception/share'
        done = subprocess.run(
            [sys.executable, '-c', code],
            env={'PYTHONPATH': str(tmp_path), '_ROS_WHEELS_BOOTSTRAP_COMPLETE': '1'},
            cwd=tmp_path,
            capture_output=True,
            text=True,
            check=True,
        )
        assert done.stdout.splitlines() == [
            str(share),
            str(share / 'config/seg_node.yaml'),
            str(share / 'models/oranges.onnx'),
        ]

    def test_runs_without_scenes_and_says_what_they_need(self, wheel, tmp_path):
        zipfile.ZipFile(wheel).extractall(tmp_path)
        code = (
            'import numpy as np\n'
            'from jetson_perception.camera.opening import open_source\n'
            'from jetson_perception.errors import SourceError\n'
            'from jetson_perception.models import open_model\n'
            "with open_model('oranges', runtime='onnxruntime_cpu') as model:\n"
            '    print(model(np.zeros((48, 64, 3), np.uint8)).mask.shape)\n'
            'try:\n'
            "    open_source('scene://oranges')\n"
            'except SourceError as err:\n'
            '    print(err)\n'
        )
        done = run_with([tmp_path], code, tmp_path)
        shape, error = done.stdout.splitlines()
        assert shape == '(48, 64)'
        assert error.startswith('scene://oranges: rendered scenes come with jetson-perception-sc')
        assert 'pip install ./scenes' in error

    def test_its_extra_asks_for_the_scenes(self, wheel):
        metadata = zipfile.ZipFile(wheel).read(f'jetson_perception-{VERSION}.dist-info/METADATA')
        assert re.search(
            'Requires-Dist: jetson-perception-scenes; extra == .demo.', metadata.decode()
        )


class TestScenesWheel:
    def test_has_the_version_of_the_library(self, scenes_wheel):
        assert scenes_wheel.name == f'jetson_perception_scenes-{VERSION}-py3-none-any.whl'

    def test_is_light(self, scenes_wheel):
        assert scenes_wheel.stat().st_size <= MOST_BYTES

    def test_carries_every_module_and_model(self, scenes_wheel):
        archive = zipfile.ZipFile(scenes_wheel)
        names = {name for name in archive.namelist() if '.dist-info/' not in name}
        files = files_under('scenes/jetson_perception_scenes', '*.py', 'py.typed', '*.onnx')
        files |= files_under('scenes/jetson_perception_scenes', '*.yaml')
        assert names == {name.removeprefix('scenes/') for name in files}

    def test_is_found_beside_the_library(self, wheel, scenes_wheel, tmp_path):
        for each in (wheel, scenes_wheel):
            zipfile.ZipFile(each).extractall(tmp_path)
        code = (
            'from importlib.metadata import entry_points\n'
            'from jetson_perception.camera.scene import SceneSource\n'
            'from jetson_perception.resources import model_path\n'
            "names = sorted(e.name for e in entry_points(group='jetson_perception.scenes'))\n"
            "source = SceneSource('scene://people?width=96&height=64&fps=0')\n"
            'source.open()\n'
            'print(*names, *source.read().pixels.shape)\n'
            "print(model_path('people_detect'))\n"
        )
        done = run_with([tmp_path], code, tmp_path)
        assert done.stdout.splitlines() == [
            'oranges people 64 96 3',
            str(tmp_path / 'jetson_perception_scenes/models/people_detect.onnx'),
        ], done.stderr


@pytest.fixture
def no_ros_prefix(monkeypatch):
    monkeypatch.delenv('AMENT_PREFIX_PATH', raising=False)


class TestResources:
    def test_of_an_installed_ros_package(self, tmp_path, monkeypatch):
        index = tmp_path / 'share/ament_index/resource_index/packages'
        index.mkdir(parents=True)
        (index / 'jetson_perception').touch()
        monkeypatch.setenv('AMENT_PREFIX_PATH', f'{tmp_path / "other"}::{tmp_path}')
        assert share_directory() == tmp_path / 'share/jetson_perception'

    @pytest.mark.usefixtures('no_ros_prefix')
    def test_of_a_checkout(self):
        assert share_directory() == ROOT

    @pytest.mark.parametrize(
        'name',
        [
            pytest.param('', id='empty'),
            pytest.param('bananas', id='unknown'),
            pytest.param('../models/oranges', id='leaves_the_folder'),
            pytest.param('oranges.onnx', id='with_suffix'),
        ],
    )
    @pytest.mark.usefixtures('no_ros_prefix')
    def test_a_model_that_does_not_exist(self, name):
        with pytest.raises(ModelError, match=r'no model .* there are: .*oranges'):
            model_path(name)

    @pytest.mark.parametrize('name', ['', 'bananas', '../package.xml'])
    @pytest.mark.usefixtures('no_ros_prefix')
    def test_a_configuration_that_does_not_exist(self, name):
        with pytest.raises(
            ParameterError, match=r'no configuration .* there are: .*seg_node\.yaml'
        ):
            config_path(name)

    @pytest.mark.parametrize('name', ['seg_node', 'seg_node.yaml'])
    @pytest.mark.usefixtures('no_ros_prefix')
    def test_a_configuration(self, name):
        assert config_path(name).name == 'seg_node.yaml'


class TestRosPackage:
    def test_executables_are_the_modules_of_nodes(self):
        cmake = (ROOT / 'CMakeLists.txt').read_text()
        (nodes,) = re.findall(r'foreach\(node ([\w ]+)\)', cmake)
        modules = {path.stem for path in (ROOT / 'jetson_perception/nodes').glob('*.py')}
        assert set(nodes.split()) == modules - {'__init__'}

    @pytest.mark.parametrize('module', ['nodes.yolo_node', 'ros.run', 'process.executable'])
    def test_modules_are_compiled_and_go_by_content(self, module):
        spec = importlib.util.find_spec(f'jetson_perception.{module}')
        header = Path(spec.cached).read_bytes()[:8]
        # PEP 552: by a hash of the source, which is compared.
        assert int.from_bytes(header[4:], 'little') == 0b11, 'build again: CMakeLists.txt compiles'

    @pytest.mark.parametrize('package', ['.', 'interfaces/vision_msgs'])
    def test_every_message_is_built(self, package):
        cmake = (ROOT / package / 'CMakeLists.txt').read_text()
        listed = re.findall(r'(?:msg|srv)/\w+\.(?:msg|srv)', cmake)
        interfaces = [
            str(path.relative_to(ROOT / package))
            for folder in ('msg', 'srv')
            for path in (ROOT / package / folder).glob('*')
        ]
        assert sorted(listed) == sorted(interfaces)

    def test_scenes_are_registered_as_by_pip(self):
        """Colcon installs the entry points, too; without a dist-info nobody finds them."""
        entries = importlib.metadata.entry_points(group='jetson_perception.scenes')
        assert {entry.name for entry in entries} == {'oranges', 'people'}

    def test_no_message_is_there_twice(self):
        # A folder of this name would hide the generated messages, or services.
        assert not (ROOT / 'jetson_perception/msg').exists()
        assert not (ROOT / 'jetson_perception/srv').exists()

    def test_dependencies_are_declared(self):
        """Every ROS package that the code imports is in package.xml."""
        declared = {
            element.text for tag in ('depend', 'exec_depend') for element in MANIFEST.iter(tag)
        }
        ros = {'rclpy', 'cv_bridge', 'launch', 'launch_ros', 'ament_index_python'}
        imported = {
            name
            for file in [*files_under('jetson_perception', '*.py'), *files_under('launch', '*.py')]
            for name in re.findall(
                r'^\s*(?:from|import) (\w+)', (ROOT / file).read_text(), flags=re.MULTILINE
            )
            if name in ros or name.endswith(('_msgs', '_interfaces'))
        }
        # Used where it is installed, and nobody has to install it.
        assert imported - declared == {'foxglove_msgs'}
        assert {'rclpy', 'sensor_msgs', 'vision_msgs'} <= imported
