"""concurrent.launch.py: four engines side by side, the INT8 ones of quantized models."""

import re
from dataclasses import replace

import numpy as np
import pytest
from jetson_perception.msg import KeypointDetection2DArray
from nodes.support import image_message
from onnx_models import detector, pose_detector, quantize_input
from vision_msgs.msg import Detection2DArray

from jetson_perception import bringup
from jetson_perception.commands.int8_twins import make_int8_twin
from jetson_perception.resources import INT8_TWINS

ENGINES = ('det', 'det_int8', 'pose', 'pose_int8')


@pytest.fixture
def models(tmp_path):
    """Four models, each with a class score of its own, so that nobody passes for another."""

    def box(score):
        return [(32, 24, 20, 16, 0, score)]

    size = (64, 64)
    return {
        'detect_model': detector(tmp_path / 'det.onnx', box(0.9), size_wh=size),
        'detect_int8_model': quantize_input(
            detector(tmp_path / 'det_int8.onnx', box(0.8), size_wh=size)
        ),
        'pose_model': pose_detector(tmp_path / 'pose.onnx', box(0.7), size_wh=size),
        'pose_int8_model': quantize_input(
            pose_detector(tmp_path / 'pose_int8.onnx', box(0.6), size_wh=size)
        ),
    }


@pytest.fixture
def launch(peer, start):
    """Starts what the launch file starts for an image topic and arguments."""

    def make(**values):
        values = {name: str(value) for name, value in values.items()}
        (process,) = bringup.concurrent(
            bringup.defaults(
                bringup.CONCURRENT_ARGUMENTS,
                image=f'/{peer.namespace}/image',
                namespace=peer.namespace,
                **values,
            )
        )
        return start(process)

    return make


def test_each_of_the_four_answers_with_its_own_model(peer, launch, models):
    launch(**models)
    peer.wait_for_state('yolo_node', 'active')
    found = [peer.collect(f'{name}/detections', Detection2DArray) for name in ENGINES]
    poses = [peer.collect(f'{name}/keypoints', KeypointDetection2DArray) for name in ENGINES[2:]]
    msg = image_message(np.zeros((48, 64, 3), np.uint8))
    answers = peer.ask(peer.image_publisher(), msg, *found, *poses)
    scores = [answer.detections[0].results[0].hypothesis.score for answer in answers[:4]]
    assert scores == pytest.approx([0.9, 0.8, 0.7, 0.6])
    assert all(len(answer.detections[0].keypoints) == 3 for answer in answers[4:])


def test_int8_is_refused_for_a_model_that_is_not_quantized(peer, launch, models):
    launch(**models | {'pose_int8_model': models['pose_model']})
    status = peer.wait_for_status(
        'yolo_node', lambda status: status.level == status.ERROR, 'the reason in diagnostics'
    )
    assert 'engine pose_int8: ' in status.message
    assert 'nothing in it is quantized' in status.message
    assert peer.state('yolo_node') == 'unconfigured'


def test_the_models_that_the_package_brings(peer, launch, tmp_path, monkeypatch):
    """The INT8 ones are made where the node looks for them."""
    monkeypatch.setenv('XDG_CACHE_HOME', str(tmp_path / 'cache'))
    for name in INT8_TWINS:
        make_int8_twin(name, 1)
    launch()
    peer.wait_for_state('yolo_node', 'active')


def test_an_int8_model_that_is_not_made_is_named(peer, start, tmp_path, monkeypatch):
    """By a node alone, which makes none."""
    monkeypatch.setenv('XDG_CACHE_HOME', str(tmp_path / 'cache'))
    values = bringup.defaults(
        bringup.CONCURRENT_ARGUMENTS,
        image=f'/{peer.namespace}/image',
        namespace=peer.namespace,
    )
    (process,) = bringup.concurrent(values)
    start(replace(process, preparation=None))
    status = peer.wait_for_status(
        'yolo_node', lambda status: status.level == status.ERROR, 'the reason in diagnostics'
    )
    # Models are opened side by side, and the first problem is told.
    assert re.search(
        'people_(detect|pose)_int8 is not made yet; make it once: ros2 run', status.message
    )
