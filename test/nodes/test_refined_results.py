"""Refined results appear in messages, drawings and stats alike."""

from dataclasses import replace
from itertools import count

import numpy as np
from jetson_perception.msg import KeypointDetection2DArray, PipelineStats
from nodes.support import image_message, pixels_of
from onnx_models import instance_segmenter, pose_detector
from sensor_msgs.msg import Image
from vision_msgs.msg import Detection2DArray

from jetson_perception.nodes.yolo_node import YoloNode

#: In pixels of a 640×640 input; a 320×180 image lies in rows 140 to 500 of it, doubled.
LEFT = (100, 240, 100, 80, 0, 0.9)
RIGHT = (500, 400, 60, 120, 1, 0.6)


class NumberingNode(YoloNode):
    """Gives every object a number that counts up, as if each were new; the second has none."""

    def refiner(self, lane):
        numbers = count(10)

        def refine(frame, result):
            ids = np.array([next(numbers) for _ in range(len(result))], np.int64)
            ids[1:2] = -1
            return replace(result, track_id=ids)

        return refine


def gray_image():
    return image_message(np.full((180, 320, 3), 90, np.uint8))


def ids_of(msg):
    return [each.id for each in msg.detections]


def test_ids_are_in_boxes_keypoints_and_stats(peer, run, tmp_path):
    model = pose_detector(tmp_path / 'my.onnx', [LEFT, RIGHT], class_count=2)
    run(NumberingNode, det__model=str(model))
    boxes = peer.collect('det/detections', Detection2DArray)
    points = peer.collect('det/keypoints', KeypointDetection2DArray)
    stats = peer.collect('det/stats', PipelineStats)
    images = peer.image_publisher()
    found, joints = peer.ask(images, gray_image(), boxes, points)
    first, none = ids_of(found)
    assert int(first) >= 10
    assert none == ''
    assert ids_of(joints) == ids_of(found)
    assert [each.hypothesis.class_id for each in joints.detections] == [
        each.results[0].hypothesis.class_id for each in found.detections
    ]

    def refined():
        return any(stage.name == 'refine' for msg in stats for stage in msg.stages)

    peer.wait_for(refined, 'stats with the time of refining')
    assert stats[-1].input == f'/{peer.namespace}/image'
    assert stats[-1].runtime.startswith('ONNX Runtime')


def test_a_pixel_of_a_mask_leads_to_the_id(peer, run, tmp_path):
    model = instance_segmenter(tmp_path / 'my.onnx', [LEFT, RIGHT])
    run(NumberingNode, det__model=str(model))
    boxes = peer.collect('det/detections', Detection2DArray)
    instances = peer.collect('det/instances', Image)
    found, mask = peer.ask(peer.image_publisher(), gray_image(), boxes, instances)
    first, none = ids_of(found)
    value = pixels_of(mask)[50, 50]  # in the middle of LEFT
    assert found.detections[value - 1].id == first != none


def test_ids_are_drawn(peer, run, tmp_path):
    model = pose_detector(tmp_path / 'my.onnx', [LEFT])
    pictures = {}
    for kind in (YoloNode, NumberingNode):
        name = kind.__name__.lower()
        node = run(kind, engines=[name], draw_frame_rate=False, **{f'{name}__model': str(model)})
        annotated, images = peer.collect('annotated', Image), peer.image_publisher()
        pictures[kind] = pixels_of(peer.ask(images, gray_image(), annotated))
        peer.stop_collecting('annotated')
        node.trigger_deactivate()
    assert (pictures[YoloNode] != pictures[NumberingNode]).any()


def test_each_activation_starts_afresh(peer, run, tmp_path):
    model = pose_detector(tmp_path / 'my.onnx', [LEFT])
    node = run(NumberingNode, det__model=str(model))
    boxes, images = peer.collect('det/detections', Detection2DArray), peer.image_publisher()
    peer.ask(images, gray_image(), boxes)
    peer.wait_for(lambda: boxes, 'a result')
    assert ids_of(boxes[0]) == ['10']
    node.trigger_deactivate()
    boxes.clear()
    node.trigger_activate()
    peer.ask(images, gray_image(), boxes)
    assert ids_of(boxes[0]) == ['10']


def test_a_failed_refinement_is_reported_and_the_node_continues(peer, run, tmp_path):
    class Failing(YoloNode):
        def refiner(self, lane):
            waiting = [ValueError('no such track')]

            def refine(frame, result):
                if waiting:
                    raise waiting.pop()
                return result

            return refine

    model = pose_detector(tmp_path / 'my.onnx', [LEFT])
    run(Failing, det__model=str(model))
    boxes, images = peer.collect('det/detections', Detection2DArray), peer.image_publisher()
    text = 'det: unexpected ValueError: no such track'
    peer.send_until(images, gray_image, lambda: boxes, 'a result')
    status = peer.wait_for_status(
        'yolo_node: det', lambda status: text in str(status.values), 'the error in diagnostics'
    )
    assert text in status.message
