"""The library's face: what `from jetson_perception import …` gives, and what it costs."""

import ast
import inspect
import json
import subprocess
import sys
from pathlib import Path

import pytest
from onnx_models import color_segmentation

import jetson_perception
from jetson_perception import errors


def loaded_after(code):
    """Modules that are there after some code has run in its own process."""
    script = f'{code}\nimport json, sys; print(json.dumps(sorted(sys.modules)))'
    done = subprocess.run(
        [sys.executable, '-c', script], capture_output=True, text=True, check=True
    )
    return json.loads(done.stdout)


def loaded_by_command(*argv):
    """Modules that are there after the command has run in its own process."""
    return loaded_after(
        'import contextlib, io\n'
        'from jetson_perception.commands.main import main\n'
        'with contextlib.redirect_stdout(io.StringIO()), contextlib.suppress(SystemExit):\n'
        f'    main({list(argv)})'
    )


def names_for_type_checkers():
    """What the block says that only type checkers read."""
    tree = ast.parse(Path(jetson_perception.__file__).read_text())
    blocks = [node for node in tree.body if isinstance(node, ast.If)]
    imports = [node for block in blocks for node in block.body if isinstance(node, ast.ImportFrom)]
    return [(alias.name, each.module) for each in imports for alias in each.names]


def test_the_names():
    assert jetson_perception.__all__ == [
        'BuildCanceled',
        'Classification',
        'ClassificationModel',
        'ClassificationOptions',
        'ClassifiedObjects',
        'CropModel',
        'CropOptions',
        'CudaError',
        'DepthMap',
        'DepthModel',
        'DetectionOptions',
        'Detections',
        'EndOfStream',
        'ImageError',
        'ModelError',
        'ModelInfo',
        'ParameterError',
        'PerceptionError',
        'Segmentation',
        'SegmentationModel',
        'SegmentationOptions',
        'SourceError',
        'Tiles',
        'YoloModel',
        'open_model',
    ]
    assert set(jetson_perception.__all__) <= set(dir(jetson_perception))


def test_every_error_is_exported():
    own = [
        name
        for name, value in vars(errors).items()
        if inspect.isclass(value) and issubclass(value, errors.PerceptionError)
    ]
    assert own
    assert set(own) <= set(jetson_perception.__all__)


@pytest.mark.parametrize('name', jetson_perception.__all__)
def test_type_checkers_see_the_same_objects(name):
    modules = dict(names_for_type_checkers())
    module = __import__(modules[name], fromlist=[name])
    assert getattr(jetson_perception, name) is getattr(module, name)


def test_type_checkers_see_nothing_else():
    assert sorted(name for name, _ in names_for_type_checkers()) == jetson_perception.__all__


def test_importing_the_package_imports_only_the_standard_library():
    loaded = loaded_after('import jetson_perception')
    own = [name for name in loaded if name.startswith('jetson_perception')]
    assert own == ['jetson_perception']
    assert not {'numpy', 'cv2', 'yaml', 'rich', 'onnxruntime', 'rclpy'} & set(loaded)


def test_an_error_costs_no_numpy():
    loaded = loaded_after('from jetson_perception import ModelError')
    assert 'jetson_perception.errors' in loaded
    assert 'numpy' not in loaded


def test_an_unknown_name_is_refused():
    with pytest.raises(AttributeError, match="module 'jetson_perception' has no attribute 'Yolo'"):
        jetson_perception.Yolo  # noqa: B018
    with pytest.raises(ImportError, match="cannot import name 'Yolo'"):
        exec('from jetson_perception import Yolo')


def test_modules_are_still_found_by_name():
    assert loaded_after('from jetson_perception import bringup, resources')


# What runs models on a GPU, renders scenes, draws tables or looks at cameras.
NOT_FOR_INFO = {
    'jetson_perception.benchmark',
    'jetson_perception.camera',
    'jetson_perception.cuda.compiler',
    'jetson_perception.cuda.graphs',
    'jetson_perception.cuda.preprocess',
    'jetson_perception.engines.onnxruntime.cuda',
    'jetson_perception.engines.tensorrt.builder',
    'jetson_perception.engines.tensorrt.cache',
    'jetson_perception.engines.tensorrt.opening',
    'jetson_perception.evaluation',
    'jetson_perception.ros',
    'jetson_perception_scenes',
    'matplotlib',
    'onnx',
    'rclpy',
    'rich',
    'tensorrt',
}


def test_info_imports_only_what_opens_the_model(tmp_path):
    path = color_segmentation(tmp_path / 'my.onnx')
    loaded = set(loaded_by_command('info', str(path), '--runtime', 'onnxruntime_cpu'))
    assert {'numpy', 'onnxruntime', 'jetson_perception.models'} <= loaded
    assert not NOT_FOR_INFO & loaded


@pytest.mark.parametrize(
    'argv',
    [
        pytest.param(['--help'], id='help'),
        pytest.param(['--version'], id='version'),
        pytest.param([], id='no_command'),
    ],
)
def test_names_that_need_no_verb_import_none(argv):
    loaded = loaded_by_command(*argv)
    assert not {'numpy', 'cv2', 'yaml', 'rich', 'onnxruntime', 'rclpy'} & set(loaded)
    assert not {'jetson_perception.engines', 'jetson_perception.models'} & set(loaded)


def test_cache_imports_no_engine(tmp_path, monkeypatch):
    monkeypatch.setenv('XDG_CACHE_HOME', str(tmp_path))
    loaded = set(loaded_by_command('cache', 'ls'))
    assert 'jetson_perception.engines.tensorrt.cache' in loaded
    assert not {'cv2', 'onnxruntime', 'tensorrt', 'jetson_perception.models'} & loaded
