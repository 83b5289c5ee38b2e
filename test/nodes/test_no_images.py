"""What a node that waits for images says about a camera_node that sends none, or no more."""

import cv2
import numpy as np
import yaml
from nodes.support import log_lines, node_process
from onnx_models import color_segmentation
from std_srvs.srv import Trigger

from jetson_perception.ros import diagnostics


def test_of_a_camera_that_is_not_ready_and_of_one_at_the_end_of_its_file(peer, start, tmp_path):
    """The reason that the camera has; and an end is no fault, least of all one of the way."""
    video = tmp_path / 'gray.avi'
    writer = cv2.VideoWriter(str(video), cv2.VideoWriter_fourcc(*'MJPG'), 30, (64, 48))
    for _ in range(3):
        writer.write(np.full((48, 64, 3), 120, np.uint8))
    writer.release()
    calibration = tmp_path / 'front.yaml'
    camera = {'source': f'file://{video}', 'calibration': str(calibration)}
    start(node_process('camera_node', peer.namespace, **camera))
    model = color_segmentation(tmp_path / 'colors.onnx')
    process = node_process('seg_node', peer.namespace, model=str(model))
    process.remappings['image'] = 'image_raw'
    seg = start(process)
    name = f'/{peer.namespace}/camera_node'
    warning = peer.wait_for_log(seg, r'WARN.*no image yet')
    assert f'nobody publishes it; {name} would, but is not ready: ' in warning
    assert 'front.yaml' in warning

    matrix = {'rows': 3, 'cols': 3, 'data': [100.0, 0, 32, 0, 100, 24, 0, 0, 1]}
    content = {
        'image_width': 64,
        'image_height': 48,
        'camera_name': 'front',
        'distortion_model': 'plumb_bob',
        'camera_matrix': matrix,
        'distortion_coefficients': {'rows': 1, 'cols': 5, 'data': [0.0] * 5},
        'rectification_matrix': matrix | {'data': [1.0, 0, 0, 0, 1, 0, 0, 0, 1]},
        'projection_matrix': {
            'rows': 3,
            'cols': 4,
            'data': [100.0, 0, 32, 0, 0, 100, 24, 0, 0, 0, 1, 0],
        },
    }
    calibration.write_text(yaml.safe_dump(content))
    answer = peer.call(Trigger, 'camera_node/retry', Trigger.Request())
    assert answer.success, answer.message
    end = f'{name} says: file://{video} came to its end after 3 frames'
    line = peer.wait_for_log(seg, f'INFO.*no image any more.*{end}')
    assert 'QoS' not in line
    status = peer.wait_for_status(
        'seg_node: segmentation', lambda status: end in status.message, 'the end'
    )
    assert status.level == diagnostics.OK
    assert len(log_lines(seg, 'WARN')) == 1
