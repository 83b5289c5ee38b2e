"""`tools/check_tensorrt.py` names what the code uses, and the stand-in has all of it."""

import ast
import importlib.util
from pathlib import Path

import pytest
import standin_pycuda
import standin_tensorrt

ROOT = Path(__file__).parents[3]
CODE = ROOT / 'jetson_perception' / 'engines' / 'tensorrt'
OBJECTS = {'engine': 'ICudaEngine', 'context': 'IExecutionContext', 'runtime': 'Runtime'}
FILES = ('bindings.py', 'context.py', 'loading.py')


@pytest.fixture(scope='module')
def tool():
    spec = importlib.util.spec_from_file_location(
        'check_tensorrt', ROOT / 'tools' / 'check_tensorrt.py'
    )
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def used_in(text):
    """(class, name) for what is called or read of an engine, a context or a runtime."""
    found = set()
    for node in ast.walk(ast.parse(text)):
        if not isinstance(node, ast.Attribute):
            continue
        owner = node.value
        name = getattr(owner, 'attr', getattr(owner, 'id', ''))
        if name in OBJECTS and not isinstance(owner, ast.Call):
            found.add((OBJECTS[name], node.attr))
    return found


def test_its_list_is_what_the_code_uses(tool):
    found = set().union(*(used_in((CODE / file).read_text()) for file in FILES))
    listed = {(kind, name) for kind in OBJECTS.values() for name in tool.USED[kind]}
    assert found == listed


@pytest.mark.parametrize('version', standin_tensorrt.VERSIONS)
def test_the_standin_has_it_all(tool, monkeypatch, version):
    cuda = standin_pycuda.install(monkeypatch)
    trt = standin_tensorrt.install(monkeypatch, cuda, version)
    # These are set when an object is made.
    of_objects = {'IExecutionContext.active_optimization_profile'}
    assert set(tool.missing_names(trt)) <= of_objects


def test_what_is_missing_is_named(tool, monkeypatch):
    cuda = standin_pycuda.install(monkeypatch)
    trt = standin_tensorrt.install(monkeypatch, cuda, '11')
    del trt.TensorFormat
    assert 'TensorFormat.LINEAR' in tool.missing_names(trt)


def test_no_module(tool, monkeypatch, capsys):
    monkeypatch.setattr('sys.argv', ['check_tensorrt.py', '--module', 'no_such_tensorrt'])
    assert tool.main() == 2
    assert 'there is no module no_such_tensorrt' in capsys.readouterr().out
