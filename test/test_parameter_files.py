"""config/*.yaml and docs/parameters.md say what the code says; every parameter is described."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from dataclasses import fields
from pathlib import Path

import pytest

if importlib.util.find_spec('rclpy') is None:
    pytest.skip('the parameters are declared with rclpy', allow_module_level=True)

from jetson_perception import bringup
from jetson_perception.nodes.seg_node import SegParams
from jetson_perception.nodes.yolo_node import EngineParams, YoloParams
from jetson_perception.parameter_fields import problem_between_fields
from jetson_perception.ros.camera_parameters import CameraParams, OwnSourceParams
from jetson_perception.ros.depth_parameters import DepthParams
from jetson_perception.ros.image_input import ImageInputParams
from jetson_perception.ros.managed_node import ManagedParams
from jetson_perception.ros.parameter_spec import parameter_type

ROOT = Path(__file__).resolve().parent.parent
GENERATOR = ROOT / 'tools' / 'generate_parameter_files.py'
CLASSES = [
    ManagedParams,
    ImageInputParams,
    OwnSourceParams,
    SegParams,
    YoloParams,
    EngineParams,
    CameraParams,
]
PARAMETERS = [
    pytest.param(cls, field, id=f'{cls.__name__}.{field.name}')
    for cls in CLASSES
    for field in fields(cls)
]
NODES = {
    'seg_node': [ManagedParams, ImageInputParams, OwnSourceParams, SegParams],
    'yolo_node': [ManagedParams, ImageInputParams, OwnSourceParams, YoloParams],
    'camera_node': [ManagedParams, CameraParams],
}


def test_the_files_are_up_to_date():
    done = subprocess.run(
        [sys.executable, str(GENERATOR), '--check'], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize(('cls', 'field'), PARAMETERS)
def test_every_parameter_is_described(cls, field):
    description = field.metadata['description']
    assert description.endswith('.')
    assert len(description.split()) > 2
    assert (
        description[0].isupper()
        or description.split()[0].rstrip(',') in (field.metadata['choices'])
    )


@pytest.mark.parametrize(('cls', 'field'), PARAMETERS)
def test_every_default_is_allowed(cls, field):
    if field.metadata['choices']:
        assert field.default in field.metadata['choices']
    if field.metadata['between']:
        low, high = field.metadata['between']
        assert low <= field.default <= high
    if field.default == ():
        assert field.metadata['example'], 'a parameter that is not set needs an example'
        assert parameter_type(cls, field.name).name.endswith('_ARRAY')


@pytest.mark.parametrize(('cls', 'field'), PARAMETERS)
def test_what_opens_something_is_declared_so_and_empty_by_default(cls, field):
    opens = field.metadata['opens']
    names = {'source', 'sources', 'calibration', 'model', 'class_names_file'}
    assert opens == (field.name in names)
    if opens:
        assert not field.default
        assert field.metadata['at_configure'], 'it is read anew whenever the node configures'
    named_so = any(
        word in field.name
        for word in ('file', 'path', 'folder', 'directory', 'device_', 'uri', 'url')
    )
    assert opens or not named_so


@pytest.mark.parametrize('cls', CLASSES)
def test_the_defaults_fit_together(cls):
    assert problem_between_fields(cls()) == ''


@pytest.mark.parametrize(
    ('arguments', 'processes'),
    [
        pytest.param(bringup.SEG_ARGUMENTS, bringup.seg, id='seg'),
        pytest.param(bringup.YOLO_ARGUMENTS, bringup.yolo, id='yolo'),
        pytest.param(bringup.CONCURRENT_ARGUMENTS, bringup.concurrent, id='concurrent'),
        pytest.param(bringup.CAMERA_ARGUMENTS, bringup.camera, id='camera'),
    ],
)
def test_launch_arguments_set_parameters_that_exist(arguments, processes):
    """With every argument given: names, types, and the choices that are offered."""
    values = {
        argument.name: argument.default or (argument.choices or ('1',))[-1]
        for argument in arguments
    }
    values |= {'source': 'csi://0', 'rviz': 'false', 'record': '', 'respawn_delay': '1'}
    if 'image' in values:  # a camera is started, or one or several that run are named
        values |= {'image': '', 'image_topics': '', 'sources': ''}
    seen = 0
    for process in processes(values):
        known = {
            field.name: parameter_type(cls, field.name)
            for cls in NODES[process.executable]
            for field in fields(cls)
        }
        if process.executable == 'yolo_node':
            given = values.get('engine_name')
            known |= {
                f'{name}.{field.name}': parameter_type(EngineParams, field.name)
                for name in ((given,) if given else ('det', 'det_int8', 'pose', 'pose_int8'))
                for field in fields(EngineParams)
            }
            known |= {
                f'depth.{field.name}': parameter_type(DepthParams, field.name)
                for field in fields(DepthParams)
            }
        kinds = {
            bool: 'BOOL',
            int: 'INTEGER',
            float: 'DOUBLE',
            str: 'STRING',
            list: 'STRING_ARRAY',
        }
        for name, value in process.parameters.items():
            if name != 'use_sim_time':
                assert known[name].name == kinds[type(value)], name
                seen += 1
    assert seen >= 5


@pytest.mark.parametrize(
    ('argument', 'cls'),
    [
        pytest.param('runtime', SegParams, id='runtime'),
        pytest.param('runtime', EngineParams, id='runtime_of_yolo'),
        pytest.param('image_transport', ImageInputParams, id='image_transport'),
    ],
)
def test_launch_arguments_offer_what_the_parameter_takes(argument, cls):
    (offered,) = {a.choices for a in bringup.SEG_ARGUMENTS if a.name == argument}
    (taken,) = {f.metadata['choices'] for f in fields(cls) if f.name == argument}
    assert offered == ('', *taken)
