"""Models that are opened anew while a node runs: the one before serves until then."""

import os
import shutil
import threading
import time

import numpy as np
import pytest
from jetson_perception.srv import SetModel
from nodes.support import LATCHED, complaints, image_message, node_process, value_of
from onnx_models import color_segmentation, detector, pose_detector
from rcl_interfaces.msg import SetParametersResult
from sensor_msgs.msg import Image
from std_srvs.srv import Trigger
from vision_msgs.msg import Detection2DArray, LabelInfo

from jetson_perception.nodes.seg_node import SegNode
from jetson_perception.nodes.yolo_node import YoloNode
from jetson_perception.ros import diagnostics
from jetson_perception.ros.image_messages import stamp_ns

GOES_ON = 'The model before goes on'


def reload(peer, name):
    return peer.call(Trigger, f'{name}/reload', Trigger.Request())


def set_model(peer, name, file):
    return peer.call(SetModel, f'{name}/set_model', SetModel.Request(model=str(file)))


def black():
    return image_message(np.zeros((48, 64, 3), np.uint8))


def named(path, *names, size_wh=(64, 64)):
    """A detector that finds the first of these classes in every image."""
    metadata = {'task': 'detect', 'stride': '32', 'names': str(dict(enumerate(names)))}
    metadata['imgsz'] = str([size_wh[1], size_wh[0]])
    rows = [(size_wh[0] / 2, size_wh[1] / 2, 16, 16, 0, 0.9)]
    return detector(path, rows, class_count=len(names), size_wh=size_wh, metadata=metadata)


def replace(path, write, *args, **options):
    """As one should: the file is written beside, and takes the place of the other at once."""
    beside = path.with_name('new.onnx')
    write(beside, *args, **options)
    os.replace(beside, path)


def classes(messages):
    return [each.results[0].hypothesis.class_id for msg in messages for each in msg.detections]


class Stream:
    """Sends images all the time, in a thread; each has a stamp of its own."""

    def __init__(self, peer):
        self.publisher = peer.image_publisher()
        self.stamps = []
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *_):
        self._ended.set()
        self._thread.join()

    def _run(self):
        while not self._ended.wait(0.02):
            msg = black()
            self.publisher.publish(msg)
            self.stamps.append(stamp_ns(msg.header))


def test_a_process_goes_on_with_what_the_file_holds_now(peer, start, tmp_path):
    model = named(tmp_path / 'det.onnx', 'apple', 'pear')
    node = start(node_process('yolo_node', peer.namespace, det__model=str(model)))
    det = peer.collect('det/detections', Detection2DArray)
    labels = peer.collect('det/label_info', LabelInfo, LATCHED)
    with Stream(peer) as stream:
        peer.wait_for(lambda: len(det) > 3, 'results')
        replace(model, named, 'plum', 'cherry', 'fig', size_wh=(96, 32))
        answer = reload(peer, 'yolo_node/det')
        assert answer.success, answer.message
        assert 'det.onnx: a detector, 3 classes, 96×32, ONNX Runtime' in answer.message
        seen = len(det)
        peer.wait_for(lambda: len(det) > seen + 3, 'results of the new model')
    told = classes(det)
    assert told == sorted(told)  # apples, then plums
    assert set(told) == {'apple', 'plum'}
    stamps = [stamp_ns(msg.header) for msg in det]
    assert stamps == sorted(set(stamps)), 'an image was answered twice'
    assert set(stamps) <= set(stream.stamps)
    peer.wait_for(lambda: len(labels[-1].class_map) == 3, 'the new names')
    status = peer.wait_for_status('yolo_node', lambda status: True, 'a status')
    assert status.level == diagnostics.OK
    assert 'engine det runs' in value_of(status, 'reload')

    # Another file is not the graph's to choose; its own may be named.
    other = named(tmp_path / 'other.onnx', 'grape')
    refused = set_model(peer, 'yolo_node/det', other)
    assert not refused.success
    assert 'or with the parameter allow_source_changes:=true' in refused.message
    assert 'model is empty' in set_model(peer, 'yolo_node/det', '').message
    assert set_model(peer, 'yolo_node/det', model).success
    assert complaints(node) == []


@pytest.fixture
def node(peer, run, tmp_path):
    """With two engines, and its files; another file may be named."""
    files = {f'{name}__model': str(named(tmp_path / f'{name}.onnx', name)) for name in 'ab'}
    return run(YoloNode, engines=['a', 'b'], allow_source_changes=True, **files)


class TestInOneProcess:
    def test_what_cannot_take_its_place_leaves_it_as_it_is(self, peer, node, tmp_path):
        images = peer.image_publisher()
        results = peer.collect('a/detections', Detection2DArray)
        file = tmp_path / 'a.onnx'
        assert peer.set_parameter('yolo_node', 'a.classes', ['a']).successful

        def damage(path):
            path.write_bytes(file.read_bytes()[:200])

        for write, args, why in (
            (damage, (), 'is not an ONNX model, or is damaged'),
            (lambda path: path.write_bytes(b''), (), 'is empty'),
            (pose_detector, (), 'is a pose model, and a detector runs, whose topics differ'),
            (color_segmentation, (), 'engine a was not reloaded: /'),
            (named, ('x',), "has 'a', but the model has no class of that name; it has x"),
        ):
            replace(file, write, *args)
            answer = reload(peer, 'yolo_node/a')
            assert not answer.success
            assert why in answer.message
            assert answer.message.endswith(GOES_ON)
            assert classes([peer.ask(images, black(), results)]) == ['a']
        os.remove(file)
        assert 'there is no model file' in reload(peer, 'yolo_node/a').message
        # The other engine has noticed nothing.
        assert classes([peer.ask(images, black(), peer.collect('b/detections', Detection2DArray))])

    def test_another_file_becomes_the_parameter(self, peer, node, tmp_path):
        other = named(tmp_path / 'other.onnx', 'grape')
        assert not set_model(peer, 'yolo_node/b', tmp_path / 'none.onnx').success
        assert peer.get_parameter('yolo_node', 'b.model') == str(tmp_path / 'b.onnx')
        assert set_model(peer, 'yolo_node/b', other).success
        assert peer.get_parameter('yolo_node', 'b.model') == str(other)
        images = peer.image_publisher()
        results = peer.collect('b/detections', Detection2DArray)
        assert classes([peer.ask(images, black(), results)]) == ['grape']
        assert not peer.set_parameter('yolo_node', 'b.model', '/etc/passwd').successful

    def test_another_file_that_others_do_not_let_the_parameter_say(self, peer, node, tmp_path):
        def judge(parameters):
            is_bad = any(each.name == 'b.model' for each in parameters)
            return SetParametersResult(successful=not is_bad, reason='models are not changed here')

        node.add_on_set_parameters_callback(judge)
        answer = set_model(peer, 'yolo_node/b', named(tmp_path / 'other.onnx', 'grape'))
        assert answer.success
        assert 'other.onnx: a detector' in answer.message
        assert f"; but parameter b.model still says '{tmp_path / 'b.onnx'}'" in answer.message
        assert answer.message.endswith(': models are not changed here')

    def test_a_reload_that_fails_late_leaves_nobody_to_locate_for(self, peer, run, tmp_path):
        model = named(tmp_path / 'det.onnx', 'x')
        node = run(YoloNode, det__model=str(model), depth__image_topics=['depth/image_raw'])
        (camera,), (engine,) = node.depth._cameras, node._engines
        before = list(camera._publishers)
        engine._labels, create = [], node.create_publisher

        def fail(*_):
            raise RuntimeError('no room for a publisher')

        node.create_publisher = fail
        try:
            assert 'no room for a publisher' in reload(peer, 'yolo_node/det').message
        finally:
            node.create_publisher = create
        assert before
        assert camera._publishers == before

    def test_one_at_a_time_and_in_every_state(self, peer, node):
        asked = [
            peer.node.create_client(Trigger, f'yolo_node/{name}/reload') for name in ('a', 'b')
        ]
        peer.wait_for(lambda: all(each.service_is_ready() for each in asked), 'the services')
        futures = [each.call_async(Trigger.Request()) for each in asked]
        peer.wait_for(lambda: all(each.done() for each in futures), 'both answers')
        answers = [each.result() for each in futures]
        assert sorted(each.success for each in answers) == [False, True]
        busy = next(each.message for each in answers if not each.success)
        assert busy.startswith('busy: engine ')
        assert busy.endswith(' is being reloaded')
        assert peer.change_state('yolo_node', 'deactivate')
        assert reload(peer, 'yolo_node/a').success
        assert peer.change_state('yolo_node', 'cleanup')
        refused = reload(peer, 'yolo_node/a')
        assert not refused.success
        assert 'no model is open; its file is read as /' in refused.message
        assert peer.change_state('yolo_node', 'configure')
        assert reload(peer, 'yolo_node/b').success
        assert peer.change_state('yolo_node', 'activate')
        assert reload(peer, 'yolo_node/b').success

    def test_a_transition_in_the_middle(self, peer, node):
        """What was asked for is done without lanes, or comes to nothing with the node's models."""
        for steps, succeeds in ((('deactivate', 'activate'), True), (('deactivate',), True)):
            answers = []
            node.reloads.begin('a', lambda ok, text, kept=answers: kept.append((ok, text)))
            for step in steps:
                assert peer.change_state('yolo_node', step)
            peer.wait_for(lambda kept=answers: kept, 'an answer')
            assert answers[0][0] is succeeds, answers
        answers = []
        node.reloads.begin('a', lambda ok, text: answers.append((ok, text)))
        node.reloads._go_on = lambda: None  # it is not heard of before
        assert peer.change_state('yolo_node', 'cleanup')
        assert len(answers) == 1
        assert peer.change_state('yolo_node', 'configure')


def test_seg_node_too(peer, run, tmp_path):
    model = color_segmentation(tmp_path / 'seg.onnx')
    run(SegNode, model=str(model))
    labels = peer.collect('label_info', LabelInfo, LATCHED)
    peer.wait_for(lambda: labels, 'the names')
    assert reload(peer, 'seg_node').success
    peer.wait_for(lambda: len(labels) > 1, 'the names again')
    masks, likely = peer.collect('mask', Image), peer.collect('confidence', Image)
    peer.ask(peer.image_publisher(), black(), masks, likely)
    shutil.copy(detector(tmp_path / 'det.onnx'), model)
    answer = reload(peer, 'seg_node')
    assert (answer.success, GOES_ON in answer.message) == (False, True)


def resident_mb():
    with open('/proc/self/statm', encoding='ascii') as file:
        return int(file.read().split()[1]) * os.sysconf('SC_PAGE_SIZE') / 1e6


@pytest.mark.slow
@pytest.mark.alone
def test_memory_stays_flat(peer, node):
    for _ in range(5):
        assert reload(peer, 'yolo_node/a').success
    before, threads = resident_mb(), threading.active_count()
    for _ in range(20):
        assert reload(peer, 'yolo_node/a').success
    time.sleep(0.1)
    assert resident_mb() - before < 4.0
    assert threading.active_count() <= threads
