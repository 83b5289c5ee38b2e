"""yolo_node with a model that segments instances, over DDS."""

import numpy as np
from nodes.support import image_message, node_process, pixels_of, unique_header
from onnx_models import instance_segmenter, pose_detector
from sensor_msgs.msg import Image
from vision_msgs.msg import Detection2DArray

from jetson_perception.ros import diagnostics

#: In pixels of a 640×640 input; a 320×180 image lies in rows 140 to 500 of it, doubled.
WHOLE = (200, 240, 100, 80, 0, 0.9)
RIGHT_HALF = (320, 400, 120, 120, 1, 0.6, 1)
GRAY = 90


def gray_image(header=None, size_wh=(320, 180)):
    return image_message(np.full((size_wh[1], size_wh[0], 3), GRAY, np.uint8), header=header)


def ids_of(msg):
    dtype = {'mono8': np.uint8, '16UC1': np.uint16}[msg.encoding]
    assert msg.step == msg.width * np.dtype(dtype).itemsize
    return np.frombuffer(msg.data, dtype).reshape(msg.height, msg.width)


def test_ids_are_the_order_of_the_detections(peer, start, tmp_path):
    model = instance_segmenter(tmp_path / 'my.onnx', [RIGHT_HALF, WHOLE])
    start(node_process('yolo_node', peer.namespace, det__model=str(model)))
    found = peer.collect('det/detections', Detection2DArray)
    instances = peer.collect('det/instances', Image)
    images = peer.image_publisher()
    msg = gray_image(unique_header('front_optical'))
    boxes, ids = peer.ask(images, msg, found, instances)
    assert ids.header == boxes.header == msg.header
    names = [each.results[0].hypothesis.class_id for each in boxes.detections]
    assert names == ['name_0', 'name_1']
    expected = np.zeros((180, 320), np.uint8)
    expected[100:160, 160:190] = 2
    expected[30:70, 75:125] = 1
    np.testing.assert_array_equal(ids_of(ids), expected)

    # A frame of another size: 160×120 lies in rows 80 to 560 of the network's input.
    small = gray_image(size_wh=(160, 120))
    ids = peer.ask(images, small, instances)
    assert (ids.width, ids.height, ids.header) == (160, 120, small.header)
    assert np.unique(ids_of(ids)).tolist() == [0, 1, 2]

    # What is left out leaves no id behind, down to a frame with nothing on it.
    assert peer.set_parameter('yolo_node', 'det.classes', ['name_1']).successful
    boxes, ids = peer.ask(images, gray_image(), found, instances)
    assert len(boxes.detections) == 1
    np.testing.assert_array_equal(ids_of(ids), (expected == 2).astype(np.uint8))
    assert peer.set_parameter('yolo_node', 'det.score_threshold', 0.95).successful
    msg = gray_image()
    boxes, ids = peer.ask(images, msg, found, instances)
    assert boxes.detections == []
    assert (ids.width, ids.height, ids.encoding) == (320, 180, 'mono8')
    assert ids.header == msg.header
    assert not ids_of(ids).any()


def test_more_than_255_instances_have_16_bits(peer, start, tmp_path):
    grid = [(8 + 16 * (i % 20) * 2, 150 + 20 * (i // 20), 16, 16, 0, 0.9) for i in range(300)]
    model = instance_segmenter(tmp_path / 'my.onnx', grid)
    start(node_process('yolo_node', peer.namespace, det__model=str(model)))
    found = peer.collect('det/detections', Detection2DArray)
    instances = peer.collect('det/instances', Image)
    images = peer.image_publisher()
    boxes, ids = peer.ask(images, gray_image(), found, instances)
    assert len(boxes.detections) == 300
    assert ids.encoding == '16UC1'
    pixels = ids_of(ids)
    assert np.unique(pixels).tolist() == list(range(301))
    for index in (0, 255, 299):
        center = boxes.detections[index].bbox.center.position
        assert pixels[int(center.y), int(center.x)] == index + 1

    assert peer.set_parameter('yolo_node', 'det.max_detections', 255).successful
    ids = peer.ask(images, gray_image(), instances)
    assert ids.encoding == 'mono8'
    assert np.unique(ids_of(ids)).tolist() == list(range(256))


def test_instances_are_drawn(peer, start, tmp_path):
    model = instance_segmenter(tmp_path / 'my.onnx', [WHOLE])
    process = node_process(
        'yolo_node', peer.namespace, det__model=str(model), draw_frame_rate=False
    )
    start(process)
    annotated = peer.collect('annotated', Image)
    msg = gray_image()
    drawn = peer.ask(peer.image_publisher(), msg, annotated)
    assert drawn.header == msg.header
    pixels = pixels_of(drawn)
    assert (pixels[40:60, 85:115] != GRAY).any(axis=2).all()
    assert (pixels[150:, 200:] == GRAY).all()


def test_beside_an_engine_without_masks(peer, start, tmp_path):
    """Only the one that has masks has the topic; both answer with the frame's header."""
    process = node_process(
        'yolo_node',
        peer.namespace,
        engines=['things', 'pose'],
        things__model=str(instance_segmenter(tmp_path / 'things.onnx', [WHOLE], metadata={})),
        things__task='segment',
        pose__model=str(pose_detector(tmp_path / 'pose.onnx')),
    )
    start(process)
    instances = peer.collect('things/instances', Image)
    poses = peer.collect('pose/detections', Detection2DArray)
    msg = gray_image()
    ids, people = peer.ask(peer.image_publisher(), msg, instances, poses)
    assert ids.header == people.header == msg.header
    topics = {name for name, _ in peer.node.get_topic_names_and_types()}
    assert f'/{peer.namespace}/pose/instances' not in topics


def test_a_task_that_contradicts_the_model(peer, start, tmp_path):
    model = instance_segmenter(tmp_path / 'my.onnx', metadata={})
    process = node_process('yolo_node', peer.namespace, det__model=str(model), det__task='detect')
    start(process)
    status = peer.wait_for_status(
        'yolo_node', lambda status: status.level == diagnostics.ERROR, 'an error'
    )
    assert 'hold 2 classes and 2 mask coefficients' in status.message
    assert "say task 'detect'" in status.message
    assert peer.state('yolo_node') == 'unconfigured'
