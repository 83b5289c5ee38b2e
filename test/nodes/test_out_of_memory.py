"""A node that is given no more memory: what fails says so, and what runs goes on."""

import resource
from pathlib import Path

import cv2
import numpy as np
import onnx
import pytest
from nodes.support import complaints, image_message, node_process, unique_header
from onnx import TensorProto, helper
from onnx_models import color_segmentation
from sensor_msgs.msg import CompressedImage, Image
from std_srvs.srv import Trigger

#: More than glibc keeps in reserve for a node (process/allocator.py).
LARGE_BYTES = 400 << 20


def black():
    return image_message(np.zeros((48, 64, 3), np.uint8))


def compressed(width, height):
    data = cv2.imencode('.jpg', np.zeros((height, width, 3), np.uint8))[1].tobytes()
    return CompressedImage(header=unique_header(), format='jpeg', data=data)


def needing(path, size_bytes):
    """A small file that takes so much memory: ONNX Runtime computes constants when it loads."""
    model = onnx.load(color_segmentation(path))
    graph = model.graph
    shape = helper.make_tensor('large_shape', TensorProto.INT64, [1], [size_bytes // 4])
    zero = helper.make_tensor('value', TensorProto.FLOAT, [1], [0.0])
    graph.initializer.append(shape)
    output = graph.output[0].name
    (last,) = (node for node in graph.node if output in node.output)
    last.output[list(last.output).index(output)] = 'small'
    kind = graph.output[0].type.tensor_type.elem_type
    graph.node.extend(
        [
            helper.make_node('ConstantOfShape', ['large_shape'], ['large'], value=zero),
            helper.make_node('ReduceMax', ['large'], ['largest'], keepdims=0),
            helper.make_node('Cast', ['largest'], ['nothing'], to=kind),
            helper.make_node('Add', ['small', 'nothing'], [output]),
        ]
    )
    onnx.save(model, path)
    return path


def limit_data(pid, more_bytes):
    """Let a running process have so much more; returns what it may have now."""
    lines = Path(f'/proc/{pid}/status').read_text().splitlines()
    (kb,) = (line.split()[1] for line in lines if line.startswith('VmData'))
    most = int(kb) * 1024 + more_bytes
    _, hard = resource.prlimit(pid, resource.RLIMIT_DATA)
    resource.prlimit(pid, resource.RLIMIT_DATA, (most, hard))


@pytest.fixture
def file(tmp_path):
    return color_segmentation(tmp_path / 'colors.onnx')


def test_a_model_that_finds_no_memory_is_refused_and_the_one_before_goes_on(peer, start, file):
    # Of more threads, one might be what finds no memory first.
    node = start(node_process('seg_node', peer.namespace, model=str(file), threads=1))
    masks, images = peer.collect('mask', Image), peer.image_publisher()
    peer.ask(images, black(), masks)
    needing(file, LARGE_BYTES)
    limit_data(node.pid, 16 << 20)
    refused = peer.call(Trigger, 'seg_node/reload', Trigger.Request())
    assert not refused.success
    assert 'memory ran out (' in refused.message
    assert ' MB are available to this process (ulimit -d)' in refused.message
    assert 'run fewer or smaller models' in refused.message
    peer.ask(images, black(), masks)
    (complaint,) = complaints(node)
    assert 'The model before goes on' in complaint
    resource.prlimit(node.pid, resource.RLIMIT_DATA, (resource.RLIM_INFINITY,) * 2)
    color_segmentation(file)  # the large one may take longer than an answer may
    assert peer.call(Trigger, 'seg_node/reload', Trigger.Request()).success
    peer.ask(images, black(), masks)


@pytest.mark.slow
def test_a_frame_that_finds_no_memory_fails_and_those_after_it_do_not(peer, start, file):
    """A picture of few bytes, which takes far more than the node may have once it is decoded."""
    node = start(
        node_process(
            'seg_node', peer.namespace, model=str(file), image_transport='compressed', threads=1
        )
    )
    masks = peer.collect('mask', Image)
    images = peer.image_publisher('image/compressed', CompressedImage)
    small, large = compressed(64, 48), compressed(8000, 8000)
    peer.ask(images, small, masks)
    limit_data(node.pid, 16 << 20)
    peer.send_until(images, lambda: large, lambda: complaints(node), 'a complaint')
    (complaint,) = complaints(node)
    assert 'memory ran out (' in complaint
    assert 'run fewer or smaller models' in complaint
    peer.ask(images, compressed(64, 48), masks)
