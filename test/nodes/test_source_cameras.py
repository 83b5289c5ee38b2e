"""Several cameras that one node reads itself: topics of each, and none touches another."""

from contextlib import closing

import cv2
import numpy as np
import pytest
from camera.standin_rtsp import StandInRtspServer
from jetson_perception.msg import PipelineStats
from nodes.support import (
    BEST_EFFORT,
    log_lines,
    newest_status,
    node_process,
    pixels_of,
    value_of,
)
from nodes.test_camera_node import write_calibration
from nodes.test_source_input import COLORS, of_one_stamp, plain, stamps, write_video
from onnx_models import color_segmentation
from sensor_msgs.msg import CameraInfo, Image

from jetson_perception.nodes.seg_node import SegNode
from jetson_perception.ros import diagnostics

SIZE_WH = (64, 48)
#: The class that each camera shows.
CAMERAS = {'front': 1, 'rear': 3}


@pytest.fixture
def model(tmp_path):
    """One that takes batches."""
    return str(color_segmentation(tmp_path / 'colors.onnx', dynamic=True))


def of_one_color(folder, class_id, size_wh=SIZE_WH):
    """A folder with a picture of one class."""
    folder.mkdir()
    pixels = np.full((size_wh[1], size_wh[0], 3), COLORS[class_id], np.uint8)
    cv2.imwrite(str(folder / 'one.png'), pixels)
    return f'images://{folder}'


def seg(peer, model, sources, **parameters):
    entries = [f'{name}={uri}' for name, uri in sources.items()]
    settings = {'model': model, 'input_size': list(SIZE_WH), 'sources': entries, 'loop': True}
    return node_process('seg_node', peer.namespace, **{**settings, **parameters})


def lines_of(peer, *names):
    """The newest of these lines of diagnostics, once all are there."""
    collected = peer.collect('/diagnostics', diagnostics.DiagnosticArray)

    def newest():
        found = [newest_status(collected, f'/{peer.namespace}/seg_node{name}') for name in names]
        return found if all(found) else None

    return peer.wait_for(newest, 'all lines')


def test_each_has_its_topics_its_calibration_and_its_counts(peer, start, model, tmp_path):
    sizes_wh = {'front': SIZE_WH, 'rear': (128, 96)}
    sources = {
        name: of_one_color(tmp_path / name, class_id, sizes_wh[name])
        for name, class_id in CAMERAS.items()
    }
    for name, size_wh in sizes_wh.items():
        write_calibration(tmp_path / f'{name}.yaml', size_wh)
    calibration = f'{tmp_path}/${{NAME}}.yaml'
    node = start(seg(peer, model, sources, calibration=calibration, frame_id='${NAME}_optical'))
    peer.wait_for_log(node, 'up to 2 images of different cameras run together')
    collected = {
        name: (
            peer.collect(f'{name}/mask', Image),
            peer.collect(f'{name}/image_raw', Image, BEST_EFFORT),
            peer.collect(f'{name}/camera_info', CameraInfo, BEST_EFFORT),
        )
        for name in CAMERAS
    }
    stats = {name: peer.collect(f'{name}/stats', PipelineStats) for name in CAMERAS}
    for name, class_id in CAMERAS.items():
        mask, image, info = of_one_stamp(peer, 1, *collected[name])[0]
        assert mask.header.frame_id == f'{name}_optical'
        assert (pixels_of(mask) == class_id).all()
        assert (pixels_of(image) == COLORS[class_id]).all()
        assert (info.width, info.height) == (image.width, image.height) == sizes_wh[name]
        peer.wait_for(lambda n=name: len({each.engine for each in stats[n]}) == 2, 'stats of both')
        assert {each.engine for each in stats[name]} == {'camera', 'segmentation'}
        assert {each.input for each in stats[name]} == {sources[name]}
    topics = [f'/{peer.namespace}/{name}' for name in CAMERAS]
    names = [f': {line} {topic}' for line in ('source', 'segmentation') for topic in topics]
    of_node, *others = lines_of(peer, '', *names)
    assert {line.level for line in others} == {diagnostics.OK}
    assert value_of(of_node, 'image topic') == ', '.join(f'{topic}/image_raw' for topic in topics)
    assert not log_lines(node, 'WARN|Traceback')


def test_one_that_ends_dies_and_comes_back_touches_no_other(peer, start, model, tmp_path):
    sources = {
        'left': 'scene://oranges',
        'short': write_video(tmp_path / 'short.avi', 3),
        'absent': f'file://{tmp_path}/absent.avi',
    }

    with closing(StandInRtspServer()) as server:
        sources['net'], port = server.url, server.port
        node = start(seg(peer, model, sources, loop=False, frame_rate=20.0))
        masks = {name: peer.collect(f'{name}/mask', Image) for name in sources}
        peer.wait_for(lambda: len(masks['net']) > 2, 'masks of the stream')
    names = [f': source /{peer.namespace}/{name}' for name in ('net', 'short', 'absent', 'left')]
    peer.wait_for_log(node, r'trying again in')
    found = lines_of(peer, *names)
    assert [value_of(line, 'state') for line in found] == ['lost', 'ended', 'lost', 'playing']
    assert [line.level for line in found[:3]] == [
        diagnostics.ERROR,
        diagnostics.OK,
        diagnostics.ERROR,
    ]
    assert 'there is no' in found[2].message
    assert log_lines(node, 'absent: there is no .*; the other cameras go on')
    before = {name: len(masks[name]) for name in ('net', 'left')}
    with closing(StandInRtspServer(port=port)):
        peer.wait_for(
            lambda: all(len(masks[name]) > count + 3 for name, count in before.items()),
            'masks of both',
        )
    assert peer.state('seg_node') == 'active'
    assert not masks['absent']
    assert value_of(found[3], 'times lost') == '0'


def test_with_every_frame_each_handles_all_its_frames(peer, run, model, tmp_path):
    counts = {'front': 12, 'rear': 25}
    sources = [
        f'{name}={write_video(tmp_path / f"{name}.avi", count)}' for name, count in counts.items()
    ]
    settings = {'model': model, 'input_size': list(SIZE_WH), 'frame_rate': 1000.0}
    masks = {name: peer.collect(f'{name}/mask', Image) for name in counts}
    run(SegNode, sources=sources, every_frame=True, **settings)
    for name, count in counts.items():
        status = peer.wait_for_status(
            f'seg_node: segmentation /{peer.namespace}/{name}',
            lambda status: 'came to its end' in status.message,
            'the end',
        )
        assert value_of(status, 'frames processed') == str(count)
        assert value_of(status, 'frames skipped (a newer one came)') == '0'
        assert stamps(masks[name]) == sorted(set(stamps(masks[name])))


def test_the_node_ends_with_its_last_source_and_takes_them_all_up_again(
    peer, run, model, tmp_path
):
    folders = {name: tmp_path / name for name in CAMERAS}
    sources = [f'{name}=images://{path}' for name, path in folders.items()]
    node = run(SegNode, model=model, input_size=list(SIZE_WH), sources=sources, loop=True)
    peer.wait_for(lambda: not node.active, 'the failure')
    assert str(tmp_path) in node.problem
    for name, path in folders.items():
        of_one_color(path, CAMERAS[name])
    cv2.imwrite(str(folders['rear'] / 'two.png'), cv2.resize(plain(CAMERAS['rear']), (32, 24)))
    masks = {name: peer.collect(f'{name}/mask', Image) for name in CAMERAS}
    assert peer.change_state('seg_node', 'activate')
    for name, widths in (('front', {64}), ('rear', {64, 32})):  # one changes its size
        peer.wait_for(lambda n=name: len(masks[n]) > 3, 'masks')
        assert {mask.width for mask in masks[name]} == widths
        assert all((pixels_of(mask) == CAMERAS[name]).all() for mask in masks[name])


TWO = ['front=csi://0', 'rear=csi://1']


@pytest.mark.parametrize(
    ('given', 'told'),
    [
        pytest.param(
            {'sources': TWO, 'source': 'csi://0'},
            'source is csi://0 and sources names 2 cameras; give one of them',
            id='source_too',
        ),
        pytest.param(
            {'sources': TWO, 'image_topics': ['/left/image_raw']},
            'sources names 2 cameras and image_topics names 1 camera; give one of them',
            id='topics_too',
        ),
        pytest.param(
            {'sources': ['front=csi://0', 'front=csi://1']},
            'sources has csi://0 and csi://1 for one camera, ',
            id='equal_names',
        ),
        pytest.param(
            {'sources': ['front=csi://0', 'rear=webcam://1']}, 'webcam://', id='unknown_scheme'
        ),
        pytest.param(
            {'sources': ['front=scene://oranges', 'rear=csi://x']}, 'csi://', id='the_second_bad'
        ),
    ],
)
def test_what_is_wrong_is_told_as_the_node_configures_and_leaves_nothing(
    peer, run, model, given, told, capfd
):
    node = run(SegNode, model=model, **given)
    assert not node.configured
    assert told in node.problem
    for name in ('front', 'rear'):
        assert node.count_publishers(f'{name}/image_raw') == 0


def test_a_remapped_image_beside_sources_is_an_error(peer, model):
    line = ['--ros-args', '-r', 'image:=/front/image_raw', '-p', 'sources:=["front=csi://0"]']
    node = SegNode(context=peer.context, namespace=peer.namespace, cli_args=line)
    try:
        node.bring_up()
        assert not node.configured
        told = 'sources names 1 camera, and image is remapped to /front/image_raw; give one'
        assert told in node.problem
    finally:
        node.destroy_node()
