"""camera_node as a process: sources to topics, calibrations, ends and losses."""

import math
import os
import shutil
import signal
import socket
import time
from contextlib import closing

import cv2
import numpy as np
import pytest
import yaml
from bags import write_bag
from camera.standin_rtsp import StandInRtspServer
from camera.timed_videos import write_matroska
from jetson_perception.msg import PipelineStats
from nodes.support import (
    BEST_EFFORT,
    LATCHED,
    log_lines,
    node_process,
    pixels_of,
    value_of,
    wait_for_exit,
)
from sensor_msgs.msg import CameraInfo, CompressedImage, Image
from sensor_msgs.srv import SetCameraInfo
from std_srvs.srv import Trigger
from vision_msgs.msg import LabelInfo

from jetson_perception.nodes.camera_node import CameraNode
from jetson_perception.ros import diagnostics
from jetson_perception.ros.image_messages import stamp_ns

SIZE_WH = (64, 48)
GRAYS = (40, 120, 200)


@pytest.fixture
def pictures(tmp_path):
    """A folder of three gray pictures, each of a brightness of its own."""
    folder = tmp_path / 'pictures'
    folder.mkdir()
    for index, gray in enumerate(GRAYS):
        cv2.imwrite(str(folder / f'{index}.png'), np.full((48, 64, 3), gray, np.uint8))
    return folder


@pytest.fixture
def video(tmp_path):
    """A video of the same three pictures."""
    path = tmp_path / 'gray.avi'
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter_fourcc(*'MJPG'), 30, SIZE_WH)
    assert writer.isOpened()
    for gray in GRAYS:
        writer.write(np.full((48, 64, 3), gray, np.uint8))
    writer.release()
    return path


def write_calibration(path, size_wh):
    """A calibration as camera_calibration writes it, with a number of its own in each place."""
    width, height = size_wh
    matrices = {
        'camera_matrix': (3, 3, [100.0, 0.0, 63.5, 0.0, 102.0, 47.5, 0.0, 0.0, 1.0]),
        'distortion_coefficients': (1, 5, [-0.25, 0.125, 0.001, -0.002, 0.0]),
        'rectification_matrix': (3, 3, [1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0]),
        'projection_matrix': (
            3,
            4,
            [90.0, 0.0, 60.0, 0.0, 0.0, 92.0, 45.0, 0.0, 0.0, 0.0, 1.0, 0.0],
        ),
    }
    content = {
        'image_width': width,
        'image_height': height,
        'camera_name': 'front',
        'distortion_model': 'plumb_bob',
    }
    for name, (rows, cols, data) in matrices.items():
        content[name] = {'rows': rows, 'cols': cols, 'data': data}
    path.write_text(yaml.safe_dump(content))
    return path


def camera(peer, source, **parameters):
    """A camera_node that goes through a source again and again."""
    return node_process(
        'camera_node',
        peer.namespace,
        **{'source': source, 'loop': True, 'wait_for_subscribers': 0, **parameters},
    )


def stamp(msg):
    return msg.header.stamp.sec, msg.header.stamp.nanosec


def pairs(peer, count):
    """Images and their infos: those of equal stamp, as many as asked for; one may be lost."""
    images = peer.collect('image_raw', Image, BEST_EFFORT)
    infos = peer.collect('camera_info', CameraInfo, BEST_EFFORT)

    def both():
        by_stamp = {stamp(info): info for info in infos}
        found = [(image, by_stamp[stamp(image)]) for image in images if stamp(image) in by_stamp]
        return found if len(found) >= count else None

    return peer.wait_for(both, f'{count} images with camera_info')


#: Within which a node is promised to end.
ENDED_S = 3.0


class TestSources:
    @pytest.mark.parametrize('scheme', ['images', 'file'])
    def test_images_with_their_info(self, peer, start, pictures, video, scheme):
        """In the order of the source, under one header per frame, with stamps that increase."""
        source = f'images://{pictures}' if scheme == 'images' else f'file://{video}'
        start(camera(peer, source, frame_id='front_optical'))
        found = pairs(peer, 8)
        for image, info in found:
            assert image.header == info.header
            assert image.header.frame_id == 'front_optical'
            assert (image.encoding, image.width, image.height) == ('bgr8', *SIZE_WH)
            assert (info.width, info.height) == SIZE_WH
            assert (info.distortion_model, info.k[0]) == ('', 0)  # nobody calibrated it
        stamps = [stamp(image) for image, _ in found]
        assert stamps == sorted(set(stamps))
        # Each is one of the pictures, whole (MJPG may be off by a few), and all of them come.
        means = [pixels_of(image).mean() for image, _ in found]
        shown = [int(np.argmin([abs(mean - gray) for gray in GRAYS])) for mean in means]
        assert set(shown) == {0, 1, 2}
        for (image, _), index in zip(found, shown, strict=True):
            off = np.abs(pixels_of(image).astype(int) - GRAYS[index])
            assert off.max() <= (0 if scheme == 'images' else 4)

    def test_a_video_is_played_by_the_times_of_its_frames(self, peer, start, tmp_path):
        times_ms = [0, 33, 70, 75, 80, 200, 210, 230, 280, 300]
        picture = np.zeros((48, 64, 3), np.uint8)
        path = write_matroska(tmp_path / 'browser.webm', [picture] * 10, times_ms)
        infos = peer.collect('camera_info', CameraInfo, BEST_EFFORT)
        peer.collect('image_raw', Image, BEST_EFFORT)
        node = start(camera(peer, f'file://{path}', loop=False, wait_for_subscribers=1))
        peer.wait_for_log(node, 'came to its end after 10 frames')
        peer.wait_for(lambda: len(infos) > 1, 'camera_info')
        first, last = (stamp_ns(infos[place].header) for place in (0, -1))
        # Of ten that are sent, the first or the last may be lost; by the container it is 9 ms.
        assert (last - first) / 1e6 > 200
        assert not log_lines(node, 'damaged|WARN')

    def test_pictures_of_several_sizes_each_with_its_own_info(self, peer, start, pictures):
        cv2.imwrite(str(pictures / '3.png'), np.zeros((30, 20, 3), np.uint8))
        start(camera(peer, f'images://{pictures}'))
        found = pairs(peer, 9)
        for image, info in found:
            assert (image.width, image.height) == (info.width, info.height)
        assert {(info.width, info.height) for _, info in found} == {SIZE_WH, (20, 30)}

    def test_at_the_size_that_was_asked_for(self, peer, start, pictures):
        start(camera(peer, f'images://{pictures}', width=32, height=24))
        image, info = pairs(peer, 1)[0]
        assert (image.width, image.height, image.step) == (32, 24, 96)
        assert (info.width, info.height) == (32, 24)

    def test_compressed_for_who_wants_it(self, peer, start, pictures):
        start(camera(peer, f'images://{pictures}'))
        jpegs = peer.collect('image_raw/compressed', CompressedImage, BEST_EFFORT)
        infos = peer.collect('camera_info', CameraInfo, BEST_EFFORT)
        peer.wait_for(
            lambda: {stamp(jpeg) for jpeg in jpegs} & {stamp(info) for info in infos},
            'a JPEG with its camera_info',
        )
        assert 'jpeg' in jpegs[-1].format
        decoded = cv2.imdecode(np.frombuffer(jpegs[-1].data, np.uint8), cv2.IMREAD_COLOR)
        assert decoded.shape == (48, 64, 3)
        assert min(abs(decoded.mean() - gray) for gray in GRAYS) < 2

    def test_a_scene_with_its_truth(self, peer, start):
        """The mask has the header of its image, and label_info names what it holds."""
        start(camera(peer, 'scene://oranges?fps=5', width=320, height=240, frame_id='belt'))
        images = peer.collect('image_raw', Image, BEST_EFFORT)
        masks = peer.collect('ground_truth/mask', Image)
        labels = peer.collect('ground_truth/label_info', LabelInfo, LATCHED)

        def both():
            by_stamp = {stamp(mask): mask for mask in masks}
            found = [(i, by_stamp[stamp(i)]) for i in images if stamp(i) in by_stamp]
            return found if len(found) >= 3 and labels else None

        found = peer.wait_for(both, 'images with their truth')
        # It knows its pixels and no objects, and promises nothing else.
        topics = peer.node.get_publisher_names_and_types_by_node(
            'camera_node', peer.node.get_namespace()
        )
        truth = [name.rpartition('/') for name, _ in topics if '/ground_truth/' in name]
        assert {name for _, _, name in truth} == {'mask', 'label_info'}
        names = [entry.class_name for entry in labels[0].class_map]
        assert names[0] == 'background'
        assert len(names) > 1
        for image, mask in found:
            assert image.header == mask.header
            assert image.header.frame_id == 'belt'
            assert (mask.encoding, mask.width, mask.height) == ('mono8', 320, 240)
            assert pixels_of(mask).max() < len(names)
            assert pixels_of(image).std() > 0


class TestFrames:
    @pytest.mark.parametrize(
        ('given', 'expected'),
        [
            pytest.param({'frame_id': '/front/optical'}, 'front/optical', id='leading_slash'),
            pytest.param({'frame_id': '/'}, 'camera', id='slash_alone'),
            pytest.param({'frame_id': 'front'}, 'front', id='plain'),
            pytest.param({}, None, id='by_the_namespace'),
        ],
    )
    def test_are_named_as_tf2_takes_them(self, peer, run, pictures, given, expected):
        node = run(CameraNode, source=f'images://{pictures}', wait_for_subscribers=0, **given)
        assert node.active
        infos = peer.collect('camera_info', CameraInfo, BEST_EFFORT)
        node.trigger_deactivate()
        node.trigger_activate()
        peer.wait_for(lambda: infos, 'camera_info')
        assert infos[0].header.frame_id == (expected or peer.namespace)

    def test_a_removed_slash_is_logged_once(self, peer, run, pictures, capfd):
        run(CameraNode, source=f'images://{pictures}', loop=True, frame_id='/belt')
        infos = peer.collect('camera_info', CameraInfo, BEST_EFFORT)
        peer.collect('image_raw', Image, BEST_EFFORT)
        peer.wait_for(lambda: len(infos) > 3, 'camera_info')
        told = 'frame_id /belt begins with a slash, which tf2 refuses; images are in belt'
        assert capfd.readouterr().err.count(told) == 1


class TestSimulatedTime:
    def test_stats_come_without_a_clock(self, peer, run, pictures):
        source = f'images://{pictures}'
        run(CameraNode, source=source, loop=True, wait_for_subscribers=0, use_sim_time=True)
        stats = peer.collect('stats', PipelineStats)
        peer.wait_for(lambda: len(stats) >= 2, 'stats')


class TestCalibration:
    def test_fields_scaled_to_the_size_of_the_images(self, peer, start, pictures, tmp_path):
        """The calibration was made at twice the size; pixel centers lie at whole numbers."""
        file = write_calibration(tmp_path / 'front camera.yaml', (128, 96))
        start(camera(peer, f'images://{pictures}', calibration=str(file)))
        _, info = pairs(peer, 1)[0]
        assert (info.width, info.height) == SIZE_WH
        assert info.distortion_model == 'plumb_bob'
        assert list(info.d) == [-0.25, 0.125, 0.001, -0.002, 0.0]
        assert list(info.k) == pytest.approx([50, 0, 31.5, 0, 51, 23.5, 0, 0, 1])
        assert list(info.r) == [1, 0, 0, 0, 1, 0, 0, 0, 1]
        assert list(info.p) == pytest.approx([45, 0, 29.75, 0, 0, 46, 22.25, 0, 0, 0, 1, 0])

    def test_of_another_aspect_leaves_the_images_uncalibrated(
        self, peer, start, pictures, tmp_path
    ):
        """Wrong geometry would be worse than none, and no images worse than both."""
        file = write_calibration(tmp_path / 'square.yaml', (100, 100))
        node = start(camera(peer, f'images://{pictures}', calibration=str(file)))
        image, info = pairs(peer, 3)[0]
        assert image.header == info.header
        assert (info.width, info.height) == SIZE_WH
        assert not info.k.any()
        assert list(info.d) == []

        def warns(status):
            return status.level == diagnostics.WARN

        status = peer.wait_for_status('camera_node: source', warns, 'the warning')
        assert status.message.startswith('camera_info says uncalibrated: ')
        assert '100x100' in status.message
        assert '64x48' in status.message
        assert len(log_lines(node, 'uncalibrated')) == 1
        # Begun anew, it is no better.
        assert peer.change_state('camera_node', 'deactivate')
        assert peer.change_state('camera_node', 'activate')
        peer.wait_for_status('camera_node: source', warns, 'the warning again')

    def test_of_zeros_leaves_the_images_uncalibrated(self, peer, start, pictures, tmp_path):
        """As ROS has it of a camera that nobody calibrated; until somebody does."""
        file = write_calibration(tmp_path / 'zeros.yaml', SIZE_WH)
        content = yaml.safe_load(file.read_text()) | {'distortion_model': ''}
        for name in ('camera_matrix', 'rectification_matrix', 'projection_matrix'):
            content[name]['data'] = [0.0] * len(content[name]['data'])
        file.write_text(yaml.safe_dump(content))
        kept = tmp_path / 'kept.yaml'
        settings = {'calibration': str(file), 'calibration_output': str(kept)}
        node = start(camera(peer, f'images://{pictures}', **settings))
        _, info = pairs(peer, 3)[0]
        assert (info.width, info.height) == SIZE_WH
        assert not info.k.any()
        status = peer.wait_for_status(
            'camera_node: source', lambda status: status.level == diagnostics.WARN, 'the warning'
        )
        told = f'camera_info says uncalibrated: calibration {file} has focal lengths of 0 and 0'
        assert status.message.startswith(told)
        assert len(log_lines(node, f'ERROR.*{told}')) == 1
        assert TestSetCameraInfo.set_info(peer, camera_info()).success
        peer.wait_for_status(
            'camera_node: source', lambda status: status.level == diagnostics.OK, 'the end of it'
        )

    def test_a_warning_ends_with_its_cause(self, peer, start, pictures, tmp_path):
        """Two sizes, one of which the calibration fits: what holds now is what is told."""
        cv2.imwrite(str(pictures / '3.png'), np.zeros((48, 48, 3), np.uint8))
        file = write_calibration(tmp_path / 'front.yaml', SIZE_WH)
        process = camera(peer, f'images://{pictures}', calibration=str(file), frame_rate=3.0)
        start(process)
        for level in (diagnostics.WARN, diagnostics.OK, diagnostics.WARN):
            peer.wait_for_status(
                'camera_node: source',
                lambda status, level=level: status.level == level,
                f'level {level}',
            )

    def test_that_cannot_be_read_is_reported_until_it_is_fixed(
        self, peer, start, pictures, tmp_path
    ):
        missing = tmp_path / 'none.yaml'
        node = start(camera(peer, f'images://{pictures}', calibration=str(missing)))
        assert 'none.yaml' in peer.wait_for_log(node, 'not configured')
        status = peer.wait_for_status(
            'camera_node', lambda status: 'none.yaml' in status.message, 'the error'
        )
        assert status.level == diagnostics.ERROR
        os.mkfifo(missing)  # nobody ever writes to it
        assert not peer.change_state('camera_node', 'configure')
        peer.wait_for_status('camera_node', lambda status: 'is a pipe' in status.message, 'why')
        missing.unlink()
        write_calibration(missing, SIZE_WH)
        assert peer.change_state('camera_node', 'configure')
        assert peer.change_state('camera_node', 'activate')
        _, info = pairs(peer, 1)[0]
        assert info.k[0] == 100


RECORDED = {
    'd': [0.1, 0, 0, 0, 0],
    'k': [60, 0, 32, 0, 60, 24, 0, 0, 1],
    'r': [1, 0, 0, 0, 1, 0, 0, 0, 1],
    'p': [60, 0, 32, 0, 0, 60, 24, 0, 0, 0, 1, 0],
}


class TestHeaderAndCameraInfoOfABag:
    @pytest.mark.parametrize(
        'given', [False, True], ids=['as_recorded', 'what_is_set_comes_first']
    )
    def test_are_published(self, peer, run, tmp_path, given):
        bag = write_bag(tmp_path / 'drive', GRAYS, camera_info=RECORDED)
        own = {}
        if given:
            file = write_calibration(tmp_path / 'front.yaml', SIZE_WH)
            own = {'frame_id': 'belt', 'calibration': str(file)}
        run(CameraNode, source=f'bag://{bag}', loop=True, **own)
        image, info = pairs(peer, 1)[0]
        frame_id = 'belt' if given else 'front_optical'
        assert (image.header.frame_id, info.header.frame_id) == (frame_id, frame_id)
        assert info.k[0] == (100 if given else 60)

    def test_are_scaled_with_the_images(self, peer, run, tmp_path):
        bag = write_bag(tmp_path / 'drive', GRAYS, camera_info=RECORDED)
        run(CameraNode, source=f'bag://{bag}', loop=True, width=32, height=24)
        _, info = pairs(peer, 1)[0]
        assert (info.width, info.k[0]) == (32, 30)


def camera_info(**changed):
    """A calibration for images of 64×48, as camera_calibration sends it."""
    info = {
        'width': 64,
        'height': 48,
        'distortion_model': 'plumb_bob',
        'd': [-0.25, 0.125, 0.001, 1e-05, 0.0],
        'k': [50.0, 0.0, 31.5, 0.0, 51.0, 23.5, 0.0, 0.0, 1.0],
        'r': [1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0],
        'p': [45.0, 0.0, 29.75, 0.0, 0.0, 46.0, 22.25, 0.0, 0.0, 0.0, 1.0, 0.0],
    }
    return CameraInfo(**info | changed)


class TestSetCameraInfo:
    @staticmethod
    def set_info(peer, info):
        request = SetCameraInfo.Request(camera_info=info)
        return peer.call(SetCameraInfo, 'set_camera_info', request)

    def test_is_published_kept_and_read_again(self, peer, run, pictures, tmp_path):
        kept = tmp_path / 'front camera.yaml'
        given = write_calibration(tmp_path / 'given.yaml', SIZE_WH)
        settings = {
            'source': f'images://{pictures}',
            'loop': True,
            'wait_for_subscribers': 0,
            'calibration': f'file://localhost{given}',
            'calibration_output': f'file://{kept}',
        }
        node = run(CameraNode, **settings)
        infos = peer.collect('camera_info', CameraInfo, BEST_EFFORT)
        peer.wait_for(lambda: infos and infos[-1].k[0] == 100, 'the calibration that was given')
        answer = self.set_info(peer, camera_info())
        assert (answer.success, answer.status_message) == (True, '')
        peer.wait_for(lambda: infos[-1].k[0] == 50, 'the calibration that was set')
        assert list(infos[-1].d) == [-0.25, 0.125, 0.001, 1e-05, 0.0]
        assert yaml.safe_load(kept.read_text())['camera_name'] == 'front'
        # The file, not the memory, is what the next start has.
        node.trigger_deactivate()
        node.trigger_cleanup()
        infos.clear()
        node.trigger_configure()
        node.trigger_activate()
        peer.wait_for(lambda: infos, 'camera_info')
        assert infos[0].k[0] == 50

    def test_is_refused_where_nothing_may_be_written(self, peer, run, pictures):
        run(CameraNode, source=f'images://{pictures}', allow_source_changes=True)
        answer = self.set_info(peer, camera_info())
        assert not answer.success
        assert 'calibration_output:=/path/of/camera.yaml' in answer.status_message
        name = f'{peer.namespace}_camera.yaml'
        assert not peer.set_parameter('camera_node', 'calibration_output', name).successful

    @pytest.mark.parametrize(
        ('changed', 'text'),
        [
            pytest.param({'k': [0.0] * 9}, 'focal lengths of 0 and 0', id='zeros'),
            pytest.param({'k': [math.nan] * 9}, 'not finite', id='nan'),
            pytest.param({'distortion_model': ''}, "has distortion_model: ''", id='no_model'),
            pytest.param({'distortion_model': '\x1b[2J'}, 'printable', id='terminal_code'),
            pytest.param({'d': [0.0] * 100_000}, 'd has 100000 values', id='many'),
            pytest.param({'width': 0}, 'has image_width: 0', id='no_size'),
        ],
    )
    def test_an_invalid_one_is_refused(self, peer, run, pictures, tmp_path, changed, text):
        kept = tmp_path / 'camera.yaml'
        run(CameraNode, source=f'images://{pictures}', calibration_output=str(kept))
        answer = self.set_info(peer, camera_info(**changed))
        assert not answer.success
        assert text in answer.status_message
        assert not kept.exists()

    def test_one_of_another_camera_is_refused_and_the_file_kept(
        self, peer, run, pictures, tmp_path
    ):
        kept = write_calibration(tmp_path / 'camera.yaml', SIZE_WH)
        before = kept.read_text()
        source = f'images://{pictures}'
        run(CameraNode, source=source, loop=True, calibration_output=str(kept))
        _, info = pairs(peer, 1)[0]
        assert info.k[0] == 100
        answer = self.set_info(peer, camera_info(width=64, height=64))
        assert not answer.success
        assert 'is for 64x64, the pictures are 64x48' in answer.status_message
        assert kept.read_text() == before

    def test_one_of_another_resolution_is_taken(self, peer, run, pictures, tmp_path):
        kept = tmp_path / 'camera.yaml'
        source = f'images://{pictures}'
        run(CameraNode, source=source, loop=True, calibration_output=str(kept))
        pairs(peer, 1)
        assert self.set_info(peer, camera_info(width=128, height=96)).success

    def test_a_missing_folder_is_reported(self, peer, run, pictures, tmp_path, capfd):
        run(
            CameraNode,
            source=f'images://{pictures}',
            calibration_output=str(tmp_path / 'none' / 'camera.yaml'),
        )
        assert 'set_camera_info will fail: no files can be made in' in capfd.readouterr().err
        answer = self.set_info(peer, camera_info())
        assert not answer.success
        assert 'camera.yaml cannot be written: No such file' in answer.status_message

    def test_a_pipe_that_nobody_reads_does_not_stop_the_node(
        self, peer, start, pictures, tmp_path
    ):
        kept = tmp_path / 'camera.yaml'
        start(camera(peer, f'images://{pictures}', calibration_output=str(kept)))
        peer.wait_for_state('camera_node', 'active')
        os.mkfifo(kept)
        answer = self.set_info(peer, camera_info())
        assert not answer.success
        assert 'camera.yaml is a pipe (FIFO); expected a regular file' in answer.status_message
        assert peer.state('camera_node') == 'active'


class TestLosses:
    def test_a_missing_source_is_reported_and_may_appear_later(self, peer, start, video, tmp_path):
        path = tmp_path / 'later.avi'
        node = start(camera(peer, f'file://{path}'))
        status = peer.wait_for_status(
            'camera_node', lambda status: status.level == diagnostics.ERROR, 'the error'
        )
        assert 'there is no' in status.message
        assert 'later.avi' in status.message
        told = peer.wait_for_log(node, 'ERROR.*not active any more: there is no .*later.avi')
        assert f'/{peer.namespace}/camera_node/retry std_srvs/srv/Trigger' in told
        assert peer.state('camera_node') == 'inactive'
        name = 'camera_node/retry'
        answer = peer.call(Trigger, name, Trigger.Request())
        peer.wait_for(lambda: len(log_lines(node, 'not active any more')) == 2, 'the error again')
        peer.wait_for_state('camera_node', 'inactive')
        shutil.copy(video, path)
        answer = peer.call(Trigger, name, Trigger.Request())
        assert (answer.success, answer.message) == (True, 'active')
        assert len(pairs(peer, 3)) >= 3
        status = peer.wait_for_status(
            'camera_node: source', lambda status: status.level == diagnostics.OK, 'recovery'
        )
        assert value_of(status, 'source') == f'file://{path}'

    def test_one_that_is_reopened_automatically_says_so(self, peer, run):
        with socket.create_server(('127.0.0.1', 0)) as listener:
            port = listener.getsockname()[1]
        run(CameraNode, source=f'rtsp://127.0.0.1:{port}/live')
        peer.wait_for_status(
            'camera_node: source', lambda status: 'no connection' in status.message, 'the loss'
        )
        answer = peer.call(Trigger, 'camera_node/retry', Trigger.Request())
        assert not answer.success
        assert 'the source is opened again by itself' in answer.message
        assert f'no connection to 127.0.0.1 port {port}' in answer.message
        assert peer.state('camera_node') == 'active'

    def test_an_invalid_source_is_reported_and_can_be_fixed(self, peer, start, pictures):
        node = start(camera(peer, 'webcam://0', allow_source_changes=True))
        told = peer.wait_for_log(node, 'not configured')
        assert 'webcam://' in told
        assert 'sources are ' in told
        assert peer.state('camera_node') == 'unconfigured'
        source = f'images://{pictures}'
        assert peer.set_parameter('camera_node', 'source', source).successful
        assert peer.change_state('camera_node', 'configure')
        assert peer.change_state('camera_node', 'activate')
        assert len(pairs(peer, 1)) >= 1
        refused = peer.set_parameter('camera_node', 'source', 'csi://0')
        assert not refused.successful
        assert 'source is used when the node configures' in refused.reason

    def test_the_end_of_a_file(self, peer, start, video):
        """Every frame was read, nothing is lost, and the node stays to be activated again."""
        node = start(camera(peer, f'file://{video}', loop=False))
        for _ in range(2):
            status = peer.wait_for_status(
                'camera_node: source',
                lambda status: 'came to its end' in status.message,
                'the end',
            )
            assert (status.level, value_of(status, 'state')) == (diagnostics.OK, 'ended')
            assert value_of(status, 'frames published') == '3'
            assert value_of(status, 'times lost') == '0'
            assert peer.change_state('camera_node', 'deactivate')
            assert peer.change_state('camera_node', 'activate')
        peer.wait_for(lambda: len(log_lines(node, 'after 3 frames')) == 3, 'the third end')

    def test_deactivated_it_is_silent_and_activated_it_continues(self, peer, start, pictures):
        start(camera(peer, f'images://{pictures}', frame_rate=50.0))
        images = peer.collect('image_raw', Image, BEST_EFFORT)
        stats = peer.collect('stats', PipelineStats)
        peer.wait_for(lambda: len(images) >= 3 and stats, 'images and stats')
        assert stats[-1].engine == 'camera'
        assert stats[-1].frames_processed > 0
        assert peer.change_state('camera_node', 'deactivate')
        # What was under way has come when a later message of the node has.
        peer.wait_for_status(
            'camera_node', lambda status: status.message == 'inactive', 'the state'
        )
        before = [stamp(image) for image in images]
        images.clear()
        peer.wait_for_status(
            'camera_node', lambda status: status.message == 'inactive', 'the state again'
        )
        assert images == []
        assert peer.change_state('camera_node', 'activate')
        peer.wait_for(lambda: len(images) >= 3, 'images again')
        assert stamp(images[0]) > max(before)


class TestFreezes:
    """A network camera from which nothing comes any more, while OpenCV waits for it."""

    def test_the_node_ends_on_request(self, peer, start):
        with closing(StandInRtspServer()) as server, closing(StandInRtspServer()) as silent:
            silent.freeze()
            streaming = start(camera(peer, server.url))
            opening = start(camera(peer, silent.url))
            images = peer.collect('image_raw', Image, BEST_EFFORT)
            peer.wait_for(lambda: images, 'an image')
            peer.wait_for_log(opening, 'reading rtsp://')
            server.freeze()
            for node in (streaming, opening):
                peer.watched.remove(node)
                begun = time.monotonic()
                os.kill(node.pid, signal.SIGINT)
                assert wait_for_exit(node) == 0
                assert time.monotonic() - begun < ENDED_S
                assert not log_lines(node, 'Traceback|terminate called')
                peer.watched.append(node)
