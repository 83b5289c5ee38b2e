"""Engines with a tracker: ids stay with what moves, for each camera, and the graph sees them."""

from nodes.test_refined_results import gray_image, ids_of
from onnx_models import instance_segmenter, pose_detector
from sensor_msgs.msg import Image
from vision_msgs.msg import Detection2DArray

from jetson_perception.nodes.yolo_node import YoloNode

LEFT = (100, 240, 100, 80, 0, 0.9)
FAINT = (500, 400, 60, 120, 0, 0.15)


def stamped(index):
    msg = gray_image()
    msg.header.stamp.sec, msg.header.stamp.nanosec = 1000 + index // 30, index % 30 * 33_333_333
    return msg


def test_ids_stay_and_faint_boxes_begin_nothing(peer, run, tmp_path):
    model = pose_detector(tmp_path / 'my.onnx', [LEFT, FAINT], class_count=2)
    run(YoloNode, det__model=str(model), det__tracker='bytetrack')
    boxes = peer.collect('det/detections', Detection2DArray)
    images = peer.image_publisher()
    seen = [ids_of(peer.ask(images, stamped(index), boxes)) for index in range(4)]
    assert seen == [[''], ['0'], ['0'], ['0']]
    # Back in time, as when a recording starts again; and a change of what an id needs.
    assert peer.set_parameter('yolo_node', 'det.track_min_hits', 1).successful
    boxes.clear()  # the stamp is that of the first one
    assert ids_of(peer.ask(images, stamped(0), boxes)) == ['1']


def test_cameras_have_trackers_of_their_own(peer, run, tmp_path):
    model = pose_detector(tmp_path / 'my.onnx', [LEFT])
    run(
        YoloNode,
        image_topics=['front/image_raw', 'rear/image_raw'],
        det__model=str(model),
        det__tracker='ocsort',
        det__track_min_hits=1,
    )
    for side in ('front', 'rear'):
        boxes = peer.collect(f'{side}/det/detections', Detection2DArray)
        images = peer.image_publisher(f'{side}/image_raw')
        assert ids_of(peer.ask(images, stamped(0), boxes)) == ['0']


def test_ways_are_drawn(peer, run, tmp_path):
    model = instance_segmenter(tmp_path / 'my.onnx', [LEFT])
    run(YoloNode, det__model=str(model), det__tracker='bytetrack', det__track_min_hits=1)
    annotated, images = peer.collect('annotated', Image), peer.image_publisher()
    assert peer.ask(images, stamped(0), annotated).width == 320
