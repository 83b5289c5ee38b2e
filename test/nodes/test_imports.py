"""What the import of a node brings along: nothing that only few nodes, or rare moments, need."""

import json
import subprocess
import sys

import pytest

# Each takes 2 to 30 ms, and brings up to a hundred modules.
LATE = {
    'PIL': 'drawing, and damaged JPEGs',
    'email': 'nothing that a node does',
    'http': 'the live view',
    'importlib.metadata': 'advice about what is missing, and keys of converted models',
    'onnxruntime': 'the first model, beside which DDS discovers the camera',
    'pycuda': 'engines on a GPU',
    'scipy': 'trackers',
    'ssl': 'nothing that a node does',
    'statistics': 'rates of images without numbers',
    'subprocess': 'fonts and cv_bridge',
    'tensorrt': 'its engines',
    'xml.sax': 'small datagrams',
    'jetson_perception.cuda.compiler': 'engines on a GPU',
    'jetson_perception.depth.locating': 'depth images',
    'jetson_perception.engines.onnxruntime.cuda': 'engines on a GPU',
    'jetson_perception.ros.source_reader': 'sources that the node reads itself',
}
#: As many as a node has today with its messages, and some more.
MOST_MODULES = 330


@pytest.fixture(scope='module', params=['seg_node', 'yolo_node'])
def modules(request):
    """All that is imported with a node, in a process of its own."""
    script = f'import json, sys, jetson_perception.nodes.{request.param}'
    script += '; print(json.dumps(list(sys.modules)))'
    done = subprocess.run([sys.executable, '-c', script], capture_output=True, check=True)
    return set(json.loads(done.stdout))


def test_what_is_seldom_needed_is_imported_late(modules):
    early = {name: LATE[name] for name in LATE if name in modules}
    assert not early, f'imported with the node, but only needed by: {early}'


def test_there_are_not_many_more_modules_of_ours(modules):
    ours = sum(name.startswith('jetson_perception.') for name in modules)
    assert ours <= MOST_MODULES, 'what only some nodes need is to be imported where they need it'
