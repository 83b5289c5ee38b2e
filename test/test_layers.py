"""Who may import whom: the layers of docs/architecture.md, and no circles.

A room is a folder or file of the package. Imports inside of functions count like others, and so
do those for type checkers alone.
"""

import importlib.util
import re
import subprocess
import sys
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import grimp
import pytest

PACKAGE = 'jetson_perception'
ROOT = Path(__file__).resolve().parent.parent

# From the innermost to the outermost: a room may import those before it.
LAYERS = (
    'printable',
    'errors',
    'process',
    'shortages',
    'installing',
    'palette',
    'renamed',
    'parameter_fields',
    'model_info',
    'files',
    'resources',
    'images',
    'dds',
    'tracing',
    'tasks',
    'tracking',
    'drawing',
    'cuda',
    'engines',
    'pipeline',
    'models',
    'camera',
    'depth',
    'evaluation',
    'benchmark',
    'doctor',
    'selftest',
    'commands',
    'parameter_sections',
    'recorded_topics',
    'launch_arguments',
    'bringup',
    'view',
    'ros',
    'nodes',
)

# Imported inside of functions, where somebody asks for what needs them: a test below holds that.
LATE = {
    ('benchmark', 'ros'),  # results are made into messages, where ROS is there
    ('models', 'ros'),  # what a task's results are as messages
    ('models', 'evaluation'),  # how a task's models are measured and compared
    ('models', 'benchmark'),  # what others do in place of a task's own decoding
}

LIBRARY = LAYERS[: LAYERS.index('parameter_sections')]
ROS = {
    'ament_index_python',
    'bond',
    'builtin_interfaces',
    'cv_bridge',
    'diagnostic_msgs',
    'foxglove_msgs',
    'launch',
    'launch_ros',
    'lifecycle_msgs',
    'rcl_interfaces',
    'rclpy',
    'rosidl_runtime_py',
    'sensor_msgs',
    'std_msgs',
    'std_srvs',
    'tf2_ros',
    'vision_msgs',
}


@pytest.fixture(scope='module')
def imports():
    """Modules that each module imports, without the package's name; foreign ones as they are."""
    graph = grimp.build_graph(
        PACKAGE,
        include_external_packages=True,
        exclude_type_checking_imports=False,
        cache_dir=None,
    )
    found = {
        short(module): {short(each) for each in graph.find_modules_directly_imported_by(module)}
        for module in graph.modules
        if is_ours(module)
    }
    assert len(found) > 200
    return found


def is_ours(module):
    """Generated messages and services are not."""
    generated = (f'{PACKAGE}.msg', f'{PACKAGE}.srv')
    return module.startswith(f'{PACKAGE}.') and not module.startswith(generated)


def short(module):
    return module.removeprefix(f'{PACKAGE}.')


def room(module):
    """What runs as a program of its own stands outside of all rooms."""
    return module if module.endswith('__main__') else module.partition('.')[0]


def circle(graph):
    """One circle of a graph as text; '' where there is none."""
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as err:
        return ' <- '.join(err.args[1])
    return ''


def test_every_room_has_its_layer(imports):
    rooms = {room(module) for module in imports}
    assert {each for each in rooms if not each.endswith('__main__')} == set(LAYERS)


def test_the_documentation_names_the_same_layers():
    text = (ROOT / 'docs/architecture.md').read_text()
    rows = re.findall(r'^\| (`[^|]*) \|', text, re.MULTILINE)
    named = [name for row in rows for name in re.findall(r'`(\w+)(?:\.py|/)`', row)]
    assert named == list(LAYERS)


def test_rooms_import_inward(imports):
    outward = {
        f'{module} imports {each}'
        for module, imported in imports.items()
        for each in imported
        if room(module) in LAYERS and room(each) in LAYERS
        if LAYERS.index(room(each)) > LAYERS.index(room(module))
        if (room(module), room(each)) not in LATE
    }
    assert not outward


def test_tasks_know_neither_engines_nor_the_gpu(imports):
    modules = [module for module in imports if room(module) == 'tasks']
    reached = {room(each) for module in modules for each in imports[module]}
    foreign = reached - set(LAYERS) - sys.stdlib_module_names
    assert foreign == {'numpy', 'cv2'}
    assert not reached & {'engines', 'cuda', 'models', 'pipeline', 'ros', 'nodes'}


def test_only_nodes_and_what_serves_them_know_ros(imports):
    using = {
        room(module)
        for module, imported in imports.items()
        if {each.partition('.')[0] for each in imported} & ROS and room(module) in LAYERS
    }
    late = {importer for importer, _ in LATE}
    assert {'ros', 'nodes'} <= using <= {'ros', 'nodes', *late}


@pytest.mark.skipif(importlib.util.find_spec('rclpy') is None, reason='no ROS here')
def test_the_library_imports_ros_late(imports):
    """Importing every module of it loads nothing of ROS."""
    modules = sorted(
        f'{PACKAGE}.{module}'
        for module in imports
        if room(module) in LIBRARY and not module.endswith('__main__')
    )
    script = f'import importlib, sys; [importlib.import_module(each) for each in {modules}]; ' + (
        f'print(sorted({{"{PACKAGE}.ros", "{PACKAGE}.nodes", "rclpy"}} & set(sys.modules)))'
    )
    done = subprocess.run(
        [sys.executable, '-c', script], capture_output=True, text=True, check=False
    )
    assert (done.stdout, done.stderr) == ('[]\n', '')


@pytest.mark.parametrize(('importer', 'imported'), sorted(LATE))
def test_what_is_imported_late_is_not_imported_with_the_module(importer, imported):
    script = (
        f'import pkgutil, sys, {PACKAGE}.{importer} as folder\n'
        'for each in pkgutil.iter_modules(folder.__path__):\n'
        "    __import__(f'{folder.__name__}.{each.name}')\n"
        f"print('{PACKAGE}.{imported}' in sys.modules)\n"
    )
    done = subprocess.run(
        [sys.executable, '-c', script], capture_output=True, text=True, check=False
    )
    assert (done.stdout, done.stderr) == ('False\n', '')


def test_no_circle_between_rooms(imports):
    graph = {}
    for module, imported in imports.items():
        for each in imported:
            edge = room(module), room(each)
            if edge[0] != edge[1] and edge[1] in LAYERS and edge not in LATE:
                graph.setdefault(edge[0], set()).add(edge[1])
    assert circle(graph) == ''


def test_no_circle_between_modules(imports):
    graph = {
        module: {
            each for each in imported if each in imports and (room(module), room(each)) not in LATE
        }
        for module, imported in imports.items()
    }
    assert circle(graph) == ''


def test_a_circle_is_found():
    assert circle({'a': {'b'}, 'b': {'c'}, 'c': {'a'}, 'd': {'a'}}) == 'a <- c <- b <- a'
    assert circle({'a': {'b', 'c'}, 'b': {'c'}, 'c': set()}) == ''
