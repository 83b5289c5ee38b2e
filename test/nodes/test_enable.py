"""Engines that are switched off and on, and the classes that they publish: by services."""

import numpy as np
from jetson_perception.srv import SetClasses
from nodes.support import image_message, value_of
from onnx_models import color_segmentation, depth_network, detector
from sensor_msgs.msg import Image
from std_srvs.srv import SetBool
from vision_msgs.msg import Detection2DArray

from jetson_perception.nodes.seg_node import SegNode
from jetson_perception.nodes.yolo_node import YoloNode
from jetson_perception.ros import diagnostics
from jetson_perception.ros.image_messages import stamp_ns

PROMPTS = ('a person in red', 'a person with a hat', 'a blue ball', 'dog')


def enable(peer, name, value):
    return peer.call(SetBool, f'{name}/enable', SetBool.Request(data=value))


def set_classes(peer, name, *classes):
    request = SetClasses.Request(classes=list(classes))
    return peer.call(SetClasses, f'{name}/set_classes', request)


def line_of(node, engine):
    """What diagnostics say of an engine now."""
    return next(each for each in node.diagnose() if each.name.endswith(f': {engine}'))


def black():
    return image_message(np.zeros((48, 64, 3), np.uint8))


def found(msg):
    return [each.results[0].hypothesis.class_id for each in msg.detections]


def open_vocabulary(path):
    """One box of each prompt that was baked in."""
    rows = [(20 + 20 * i, 24, 16, 16, i, 0.9) for i in range(len(PROMPTS))]
    metadata = {
        'task': 'detect',
        'stride': '32',
        'names': str(dict(enumerate(PROMPTS))),
        'imgsz': '[64, 96]',
    }
    return detector(path, rows, class_count=len(PROMPTS), size_wh=(96, 64), metadata=metadata)


def test_an_engine_that_is_disabled_publishes_nothing_and_the_others_go_on(peer, run, tmp_path):
    models = {f'{name}__model': str(detector(tmp_path / f'{name}.onnx')) for name in ('det', 'on')}
    node = run(YoloNode, engines=['det', 'on'], **models)
    det, on = (peer.collect(f'{name}/detections', Detection2DArray) for name in ('det', 'on'))
    pictures = peer.collect('annotated', Image)
    images = peer.image_publisher()
    peer.ask(images, black(), det, on)

    answer = enable(peer, 'yolo_node/det', False)
    assert (answer.success, answer.message) == (
        True,
        'engine det is disabled: it takes no image until it is enabled',
    )
    assert peer.get_parameter('yolo_node', 'det.enable') is False
    pictures.clear()
    before = len(det)
    for _ in range(5):
        peer.ask(images, black(), on)
    peer.wait_for(lambda: pictures, 'pictures without the engine that is disabled')
    assert len(det) == before
    counts = node.lanes[0].counts
    assert counts.left_out >= 5
    assert counts.skipped == counts.failed == counts.under_way == 0
    status = line_of(node, 'det')
    assert (status.level, status.message) == (diagnostics.OK, 'disabled: it takes no image')
    told = value_of(status, 'frames left out (enable, max_rate, every)')
    assert told == str(counts.left_out)

    # The parameter is the same switch, and the very next image is answered.
    assert peer.set_parameter('yolo_node', 'det.enable', True).successful
    msg = black()
    peer.ask(images, msg, det, on)
    assert stamp_ns(det[-1].header) == stamp_ns(msg.header)
    assert 'results a second' in line_of(node, 'det').message


def test_the_switch_holds_in_every_state(peer, run, tmp_path):
    node = run(SegNode, model=str(color_segmentation(tmp_path / 'seg.onnx')), autostart=False)
    for step in ('configure', 'activate', 'deactivate', 'cleanup', ''):
        assert enable(peer, 'seg_node', False).success
        answer = enable(peer, 'seg_node', True)
        when = 'takes the next image' if node.active else 'once the node is active'
        assert answer.success
        assert when in answer.message
        if step:
            assert peer.change_state('seg_node', step)
    assert enable(peer, 'seg_node', False).success
    for step in ('configure', 'activate'):
        assert peer.change_state('seg_node', step)
    status = line_of(node, 'segmentation')  # no image came, which is no fault of the engine
    assert (status.level, status.message) == (diagnostics.OK, 'disabled: it takes no image')


class TestClasses:
    def test_some_of_the_prompts_that_were_baked_in(self, peer, run, tmp_path):
        run(YoloNode, det__model=str(open_vocabulary(tmp_path / 'world.onnx')))
        images = peer.image_publisher()
        det = peer.collect('det/detections', Detection2DArray)
        assert sorted(found(peer.ask(images, black(), det))) == sorted(PROMPTS)
        answer = set_classes(peer, 'yolo_node/det', 'dog', PROMPTS[0])
        assert answer.success
        assert answer.message == 'engine det publishes 2 classes of 4: a person in red, dog'
        assert sorted(found(peer.ask(images, black(), det))) == [PROMPTS[0], 'dog']
        assert peer.get_parameter('yolo_node', 'det.classes') == ['dog', PROMPTS[0]]
        refused = set_classes(peer, 'yolo_node/det', 'dog', 'person')
        assert not refused.success
        assert "has 'person', but the model has no class of that name" in refused.message
        assert f"did you mean '{PROMPTS[0]}' or '{PROMPTS[1]}'?" in refused.message
        assert sorted(found(peer.ask(images, black(), det))) == [PROMPTS[0], 'dog']
        for blank in ([], [''], [' ', '\t']):
            answer = set_classes(peer, 'yolo_node/det', *blank)
            assert answer.message == 'engine det publishes all 4 classes'
        assert len(found(peer.ask(images, black(), det))) == 4

    def test_before_the_model_is_there_and_without_classes(self, peer, run, tmp_path):
        model = depth_network(tmp_path / 'depth.onnx', output='depth')
        run(YoloNode, det__model=str(model), det__depth_values='metric', autostart=False)
        answer = set_classes(peer, 'yolo_node/det', 'cat')
        assert answer.success
        assert 'is to publish these classes: cat; whether its model has them' in answer.message
        assert peer.change_state('yolo_node', 'configure')
        answer = set_classes(peer, 'yolo_node/det', 'cat')
        assert (answer.success, 'which has no classes' in answer.message) == (False, True)
