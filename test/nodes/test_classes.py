"""Classes of yolo_node chosen by name, at start and at run time."""

import os

import numpy as np
import pytest
from nodes.support import LATCHED, image_message, node_process
from onnx_models import color_segmentation, detector, end_to_end_detector
from vision_msgs.msg import Detection2DArray, LabelInfo

from jetson_perception.ros import diagnostics

#: In pixels of a 640×640 input; a 320×180 image lies in rows 140 to 500 of it.
PERSON = (100, 200, 100, 80, 0, 0.9)
DOG = (300, 200, 60, 120, 1, 0.5)
LIGHT = (500, 400, 60, 120, 2, 0.3)
NAMES = "{0: 'person', 1: 'dog', 2: 'traffic light'}"


@pytest.fixture
def model(tmp_path):
    metadata = {'task': 'detect', 'names': NAMES}
    return str(
        detector(tmp_path / 'my.onnx', [PERSON, DOG, LIGHT], class_count=3, metadata=metadata)
    )


@pytest.fixture
def look(peer):
    """Sends an image, and tells the classes found in it."""
    found = peer.collect('det/detections', Detection2DArray)
    images = peer.image_publisher()

    def ask():
        msg = image_message(np.zeros((180, 320, 3), np.uint8))
        answer = peer.ask(images, msg, found)
        assert answer.header == msg.header
        return [each.results[0].hypothesis.class_id for each in answer.detections]

    return ask


def test_a_choice_takes_effect_with_the_next_frame(peer, start, model, look):
    start(node_process('yolo_node', peer.namespace, det__model=model))
    assert look() == ['person', 'dog', 'traffic light']
    for names, classes in (
        (['dog'], ['dog']),
        (['traffic light', 'person'], ['person', 'traffic light']),
        ([''], ['person', 'dog', 'traffic light']),
    ):
        assert peer.set_parameter('yolo_node', 'det.classes', names).successful
        assert look() == classes


def test_thresholds_of_single_classes_at_run_time(peer, start, model, look):
    start(node_process('yolo_node', peer.namespace, det__model=model, det__score_threshold=0.4))
    assert look() == ['person', 'dog']
    for entries, classes in (
        (['traffic light: 0.25'], ['person', 'dog', 'traffic light']),
        (['traffic light: 0.25', 'dog: 0.6'], ['person', 'traffic light']),
        (['person: 1'], ['dog']),
        ([''], ['person', 'dog']),
    ):
        set_to = peer.set_parameter('yolo_node', 'det.class_score_thresholds', entries)
        assert set_to.successful, set_to.reason
        assert look() == classes


def test_both_from_the_start(peer, start, model, look):
    process = node_process(
        'yolo_node',
        peer.namespace,
        det__model=model,
        det__classes=['person', 'traffic light'],
        det__class_score_thresholds=['person: 0.95', 'traffic light: 0.1'],
    )
    start(process)
    assert look() == ['traffic light']


def test_what_is_wrong_is_refused_with_the_nearest_name(peer, start, model, look):
    start(node_process('yolo_node', peer.namespace, det__model=model, det__classes=['dog']))
    assert look() == ['dog']
    for name, value, told in (
        (
            'classes',
            ['dgo'],
            "det.classes has 'dgo', but the model has no class of that name; did",
        ),
        (
            'classes',
            ['dog', 'zebra'],
            "'zebra', but the model has no class of that name; it has p",
        ),
        ('class_score_thresholds', ['dog'], "det.class_score_thresholds has 'dog'; expected"),
        ('class_score_thresholds', ['dog: 2'], 'a number from 0 to 1'),
        ('class_score_thresholds', ['persn: 0.5'], "did you mean 'person'"),
        ('classes', 'dog', 'type'),
    ):
        result = peer.set_parameter('yolo_node', f'det.{name}', value)
        assert not result.successful, (name, value)
        assert told in result.reason, (name, value, result.reason)
    assert peer.get_parameter('yolo_node', 'det.classes') == ['dog']
    assert look() == ['dog']


def test_an_unknown_class_at_start_leaves_the_node_unconfigured_until_it_is_fixed(
    peer, start, model, look
):
    start(node_process('yolo_node', peer.namespace, det__model=model, det__classes=['persn']))
    status = peer.wait_for_status(
        'yolo_node', lambda status: status.level == diagnostics.ERROR, 'an error'
    )
    assert status.message.startswith("engine det: classes has 'persn'")
    assert "did you mean 'person'?" in status.message
    assert 'det.classes' in status.message
    assert peer.state('yolo_node') == 'unconfigured'

    # Without a model there is nothing to compare names with: what is wrong is told as it is used.
    assert peer.set_parameter('yolo_node', 'det.classes', ['prson']).successful
    assert not peer.change_state('yolo_node', 'configure')
    assert peer.set_parameter('yolo_node', 'det.classes', ['person']).successful
    assert peer.change_state('yolo_node', 'configure')
    assert peer.change_state('yolo_node', 'activate')
    assert look() == ['person']

    # The names of a model that is gone judge nothing any more.
    assert not peer.set_parameter('yolo_node', 'det.classes', ['cat']).successful
    assert peer.change_state('yolo_node', 'deactivate')
    assert peer.change_state('yolo_node', 'cleanup')
    assert peer.set_parameter('yolo_node', 'det.classes', ['cat']).successful


def test_classes_of_a_model_that_names_none(peer, start, tmp_path, look):
    rows = [(10, 200, 70, 280, 0.9, 41), (270, 200, 370, 280, 0.8, 7)]
    model = end_to_end_detector(tmp_path / 'my.onnx', rows, metadata={})
    process = node_process(
        'yolo_node', peer.namespace, det__model=str(model), det__classes=['class_7']
    )
    start(process)
    assert look() == ['class_7']


def test_names_from_a_file(peer, start, tmp_path, look):
    model = detector(tmp_path / 'my.onnx', [PERSON, DOG], metadata={})
    names = tmp_path / 'my.names'
    names.write_text('Mensch\nHund\n')
    process = node_process(
        'yolo_node',
        peer.namespace,
        det__model=str(model),
        det__class_names_file=str(names),
        det__classes=['Hund'],
    )
    start(process)
    assert look() == ['Hund']


def test_an_invalid_file_of_names_is_refused(peer, start, tmp_path, model):
    """Missing, a pipe that nobody writes to, then one of passwords, which nobody is shown."""
    file = tmp_path / 'names'
    node = start(
        node_process(
            'yolo_node', peer.namespace, det__model=model, det__class_names_file=str(file)
        )
    )
    labels = peer.collect('label_info', LabelInfo, LATCHED)

    def wait_for_error(text):
        status = peer.wait_for_status('yolo_node', lambda status: text in status.message, text)
        assert status.level == diagnostics.ERROR
        assert 'the parameter is det.class_names_file' in status.message
        return status.message

    wait_for_error(f'class_names_file {file} cannot be read: No such file')
    os.mkfifo(file)
    assert not peer.change_state('yolo_node', 'configure')
    wait_for_error('is a pipe (FIFO)')
    file.unlink()
    file.write_text('root:SECRET:19000:0:99999:7:::\ndaemon:*:19000:0:99999:7:::\n')
    assert not peer.change_state('yolo_node', 'configure')
    assert 'SECRET' not in wait_for_error('has fields between colons')
    assert 'SECRET' not in node.log.read_text()
    assert not labels


def test_names_from_a_file_for_seg_node(peer, start, tmp_path):
    model = color_segmentation(tmp_path / 'my.onnx', metadata={})
    names = tmp_path / 'data.yaml'
    names.write_text('names: {0: nothing, 1: rot, 2: grün, 3: blau}')
    process = node_process(
        'seg_node', peer.namespace, model=str(model), class_names_file=str(names)
    )
    start(process)
    labels = peer.collect('label_info', LabelInfo, LATCHED)
    (msg,) = peer.wait_for(lambda: labels, 'label_info')
    assert [each.class_name for each in msg.class_map] == ['nothing', 'rot', 'grün', 'blau']
