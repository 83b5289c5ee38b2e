"""A node that reads a video itself, decoded by NVDEC's stand-in on the GPU of its engine."""

import numpy as np
import pytest
import standin_pynvvideocodec
from camera.coded_videos import write_coded
from onnx_models import color_segmentation
from ros.test_nodes_on_standin_gpu import Peer
from sensor_msgs.msg import Image
from standin_fixtures import gpu_with_engines

from jetson_perception.nodes.seg_node import SegNode


@pytest.fixture
def standin(monkeypatch):
    with gpu_with_engines(monkeypatch, 'preprocess', 'segmentation') as standin:
        yield standin


@pytest.fixture
def peer(monkeypatch, standin, tmp_path):
    peers = []

    def start(**parameters):
        standin_pynvvideocodec.install(monkeypatch, standin)
        video = write_coded(tmp_path / 'video.mp4', range(0, 400, 40), size_wh=(64, 48))
        model = color_segmentation(tmp_path / 'colors.onnx')
        peers.append(
            Peer(
                SegNode,
                model=str(model),
                runtime='onnxruntime_cuda',
                source=f'file://{video}',
                loop=True,
                wait_for_subscribers=0,
                **parameters,
            )
        )
        return peers[-1]

    yield start
    for each in peers:
        each.close()


def begin(peer):
    peer.node.bring_up()
    peer.spin_until(lambda: peer.state() == 'active' and peer.lanes())


def test_frames_go_from_the_decoder_to_the_engine_without_the_host(peer, monkeypatch):
    from jetson_perception.cuda import device_picture

    fetched = []
    copied = device_picture.PicturePool.copied
    monkeypatch.setattr(
        device_picture.PicturePool,
        'copied',
        lambda pool, picture: fetched.append(picture.size_wh) or copied(pool, picture),
    )
    started = peer()
    masks = started.hear('mask', Image)
    begin(started)
    started.spin_until(lambda: len(masks) > 2)
    assert (masks[-1].width, masks[-1].height) == (64, 48)
    assert not fetched
    images = started.hear('camera/image_raw', Image)
    started.spin_until(lambda: images)
    assert fetched
    assert images[-1].encoding == 'bgr8'
    assert np.frombuffer(images[-1].data, np.uint8).std() > 10


def test_a_parameter_says_otherwise(peer, standin):
    started = peer(video_decoder='cpu')
    masks = started.hear('mask', Image)
    begin(started)
    started.spin_until(lambda: masks)
    assert 'decode' not in standin.launches
