"""One line says that a node works; then it is quiet."""

import re

import numpy as np
from nodes.support import image_message, log_lines, node_process, unique_header
from onnx_models import color_segmentation, detector, pose_detector
from sensor_msgs.msg import CompressedImage, Image
from vision_msgs.msg import Detection2DArray

from jetson_perception.ros.image_messages import jpeg_message


def test_of_each_engine_and_of_the_camera(peer, start, tmp_path):
    models = {
        'det.model': str(detector(tmp_path / 'det.onnx')),
        'pose.model': str(pose_detector(tmp_path / 'pose.onnx')),
    }
    process = node_process('yolo_node', peer.namespace, engines=['det', 'pose'])
    process.parameters.update(models)
    process.remappings['image'] = 'image_raw'
    yolo = start(process)
    source = {'source': 'scene://oranges', 'width': 640, 'height': 480, 'frame_rate': 30.0}
    camera = start(node_process('camera_node', peer.namespace, **source))
    results = [peer.collect(f'{name}/detections', Detection2DArray) for name in ('det', 'pose')]
    peer.wait_for(lambda: all(len(each) > 5 for each in results), 'results')
    for name in ('det', 'pose'):
        (line,) = log_lines(yolo, rf'{name}: first image')
        assert re.search(
            rf'\[INFO\].*: {name}: first image 640×480 bgr8, first result after \d+ ms$', line
        )
    (line,) = log_lines(yolo, 'first answer after')
    parts = 'Python and rclpy|ROS|imports|making the node|inputs|models|first runs|'
    parts += 'waiting for an image|the first image'
    assert re.search(
        r'after \d+\.\d\d s: '
        + ', '.join(rf'{part} \d+\.\d\d' for part in parts.split('|'))
        + '$',
        line,
    )
    (line,) = log_lines(camera, 'first image')
    assert line.endswith('first image 640×480 bgr8')


def test_of_compressed_images_and_again_after_a_pause(peer, start, tmp_path):
    model = color_segmentation(tmp_path / 'colors.onnx')
    seg = start(
        node_process('seg_node', peer.namespace, model=str(model), image_transport='compressed')
    )
    masks = peer.collect('mask', Image)
    images = peer.image_publisher('image/compressed', CompressedImage)
    for times in (1, 2):
        for _ in range(3):
            msg = jpeg_message(np.zeros((48, 64, 3), np.uint8), unique_header())
            peer.ask(images, msg, masks)
        line = 'first image 64×48 jpeg compressed bgr8,'
        peer.wait_for(lambda n=times, text=line: len(log_lines(seg, text)) == n, 'the line')
        assert peer.change_state('seg_node', 'deactivate')
        assert peer.change_state('seg_node', 'activate')


def test_an_image_that_cannot_be_used_is_not_the_first(peer, start, tmp_path):
    model = color_segmentation(tmp_path / 'colors.onnx')
    seg = start(node_process('seg_node', peer.namespace, model=str(model)))
    images, masks = peer.image_publisher(), peer.collect('mask', Image)
    broken = image_message(np.zeros((48, 64, 3), np.uint8))
    broken.step = 1
    peer.send_until(
        images, lambda: broken, lambda: log_lines(seg, 'image on .*step'), 'the refusal'
    )
    assert log_lines(seg, 'first image') == []
    peer.ask(images, image_message(np.zeros((24, 32), np.uint8), 'mono8'), masks)
    peer.wait_for_log(seg, 'segmentation: first image 32×24 mono8, first result after')
