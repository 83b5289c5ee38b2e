"""Text from others appears on one short line, and secrets do not appear at all."""

import socket
import threading

import numpy as np
import pytest
from diagnostic_msgs.msg import DiagnosticArray
from jetson_perception.msg import PipelineStats
from lifecycle_msgs.msg import Transition
from lifecycle_msgs.srv import ChangeState
from nodes.support import image_message, node_process, pixels_of, unique_header, value_of
from onnx_models import color_segmentation
from rcl_interfaces.msg import Parameter, ParameterValue
from rcl_interfaces.srv import SetParameters
from sensor_msgs.msg import Image

FORGED = 'x\n[INFO] [1.0] [seg_node]: all is well\x1b]0;title\x07\u202e'
LONG = FORGED + 'y' * 200_000
SECRET = 'Zq1s3cret'


def red(**fields):
    msg = image_message(np.full((48, 64, 3), (0, 0, 250), np.uint8))
    for field, value in fields.items():
        setattr(msg, field, value)
    return msg


def texts_of(diagnostics):
    """Every text in a list of DiagnosticArray."""
    return [
        text
        for array in diagnostics
        for status in array.status
        for text in (
            *(status.name, status.message, status.hardware_id),
            *(text for pair in status.values for text in (pair.key, pair.value)),
        )
    ]


def assert_harmless(node, texts):
    lines = node.log.read_text(errors='replace').split('\n')
    assert max(map(len, lines)) < 2500
    assert not any(line.startswith('[INFO] [1.0]') for line in lines)
    assert max(map(len, texts)) <= 2500
    for text in (*lines, *texts):
        assert text.replace('\n', '').isprintable()


def test_foreign_text_is_short_and_printable_in_logs_diagnostics_and_answers(
    peer, start, tmp_path
):
    model = color_segmentation(tmp_path / 'colors.onnx')
    node = start(node_process('seg_node', peer.namespace, model=str(model)))
    masks, stats = peer.collect('mask', Image), peer.collect('stats', PipelineStats)
    diagnostics = peer.collect('/diagnostics', DiagnosticArray)
    images = peer.image_publisher()
    peer.ask(images, red(), masks)
    wrong = [
        red(encoding=LONG),
        red(encoding=f'{FORGED}16UC1'),
        red(header=unique_header(LONG)),
    ]

    def failed_all(status):
        for msg in wrong:
            images.publish(msg)
        return int(value_of(status, 'frames failed')) >= len(wrong)

    peer.wait_for_status('seg_node: segmentation', failed_all, 'diagnostics that count them')
    request = ChangeState.Request(transition=Transition(label=LONG))
    assert not peer.call(ChangeState, 'seg_node/change_state', request).success
    refused = [
        peer.set_parameter('seg_node', name, value)
        for name, value in (('runtime', LONG), ('resize', FORGED), ('colormap', 'no\x1b'))
    ]
    assert not any(answer.successful for answer in refused)
    unknown_type = Parameter(name='runtime', value=ParameterValue(type=250))
    request = SetParameters.Request(parameters=[unknown_type])
    answer = peer.call(SetParameters, 'seg_node/set_parameters', request).results[0]
    assert not answer.successful
    assert '250 is not a valid' in answer.reason
    mask = peer.ask(images, red(), masks)
    assert (pixels_of(mask) == 1).all()
    peer.wait_for_log(node, 'image is |frame_id has 200')
    peer.wait_for_log(node, 'transition x.n.INFO. .*refused')
    assert_harmless(node, [*texts_of(diagnostics), *(answer.reason for answer in refused)])
    assert max(len(each.header.frame_id) for each in stats) <= 1000


@pytest.fixture
def camera_that_refuses():
    """Port of a listener that refuses every stream, and quotes what was asked for."""
    listener = socket.create_server(('127.0.0.1', 0))

    def serve():
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            with connection:
                asked = connection.recv(4096).split(b'\r\n')[0]
                connection.sendall(b'RTSP/1.0 453 Cannot give ' + asked + b'\r\n\r\n')

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    yield listener.getsockname()[1]
    listener.shutdown(socket.SHUT_RDWR)
    listener.close()
    thread.join(10)


def test_a_stream_that_cannot_be_opened_is_reported_without_its_secrets(
    peer, start, camera_that_refuses
):
    diagnostics = peer.collect('/diagnostics', DiagnosticArray)
    address = f'127.0.0.1:{camera_that_refuses}'
    url = f'rtsp://{SECRET}:{SECRET}%2F1@{address}/live/user={SECRET}?password={SECRET}'
    node = start(node_process('camera_node', peer.namespace, source=url))
    status = peer.wait_for_status(
        'camera_node: source', lambda status: status.level == status.ERROR, 'the error'
    )
    assert f'rtsp://{address}/live/…: the server refuses the stream: 453' in status.message
    assert value_of(status, 'source') == f'rtsp://{address}/live/…'
    peer.wait_for_log(node, 'refuses the stream: 453; trying again')
    for text in (node.log.read_text(), *texts_of(diagnostics)):
        assert 'Zq1' not in text
