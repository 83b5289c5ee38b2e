"""True boxes against found ones, as the demo counts them."""

import time

import pytest
import rclpy
from builtin_interfaces.msg import Time
from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus
from jetson_perception.msg import PipelineStats
from rclpy.executors import SingleThreadedExecutor
from sensor_msgs.msg import CompressedImage
from std_msgs.msg import Header
from vision_msgs.msg import Detection2DArray

from jetson_perception.ros import qos
from jetson_perception.ros.demo import observers
from jetson_perception.ros.demo.observers import YoloObserver, matched_boxes

A = ('dog', (0.0, 0.0, 10.0, 10.0))
A_SHIFTED = ('dog', (2.0, 0.0, 12.0, 10.0))
A_FAR = ('dog', (6.0, 0.0, 16.0, 10.0))
A_AS_CAT = ('cat', (0.0, 0.0, 10.0, 10.0))
B = ('dog', (50.0, 50.0, 60.0, 60.0))
FLAT = ('dog', (0.0, 0.0, 0.0, 10.0))


@pytest.mark.parametrize(
    ('truth', 'found', 'matched'),
    [
        pytest.param([], [], 0, id='nothing'),
        pytest.param([], [A], 0, id='no_truth'),
        pytest.param([A], [], 0, id='none_found'),
        pytest.param([A], [A], 1, id='same'),
        pytest.param([A], [A_SHIFTED], 1, id='shifted'),
        pytest.param([A], [A_FAR], 0, id='too_far'),
        pytest.param([A], [A_AS_CAT], 0, id='other_class'),
        pytest.param([A], [A, A_SHIFTED], 1, id='each_truth_once'),
        pytest.param([A, B], [B, A], 2, id='any_order'),
        pytest.param([A], [FLAT], 0, id='no_area'),
        pytest.param([A, A_SHIFTED], [A_SHIFTED, A], 2, id='nearest_first'),
    ],
)
def test_matched_boxes(truth, found, matched):
    assert matched_boxes(truth, found) == matched


@pytest.mark.parametrize(
    ('shown', 'kept'),
    [
        pytest.param([7, 8, 9, 13, 14], [13, 14], id='left_over'),
        pytest.param([13, 14], [13, 14], id='nothing_left_over'),
        pytest.param([3, 8, 9], [3, 8, 9], id='a_recording_again'),
        pytest.param([9, 9, 9], [9, 9], id='a_recording_of_one_frame'),
    ],
)
def test_pictures_begin_with_the_first_new_frame(shown, kept):
    """Of results of 9 frames that were measured, a node may still draw the last ones."""
    rclpy.init()
    observer, peer = YoloObserver(['det']), rclpy.create_node('peer', namespace='/demo/yolo')
    executor = SingleThreadedExecutor()
    executor.add_node(observer)
    results = peer.create_publisher(Detection2DArray, 'det/detections', qos.RESULTS)
    pictures = peer.create_publisher(CompressedImage, 'annotated/compressed', qos.RESULTS)

    def send(publisher, message_type, numbers, done):
        deadline = time.monotonic() + 20
        while not publisher.get_subscription_count():
            assert time.monotonic() < deadline
            executor.spin_once(timeout_sec=0.05)
        for number in numbers:
            publisher.publish(message_type(header=Header(stamp=Time(sec=number))))
            executor.spin_once(timeout_sec=1)  # one at a time: the newest replaces others
        while not done():
            assert time.monotonic() < deadline
            executor.spin_once(timeout_sec=0.05)

    try:
        send(results, Detection2DArray, range(1, 10), lambda: len(observer.results['det']) == 9)
        observer.watch_pictures()
        observer.clear()
        end = 99  # always new: all before it came
        send(
            pictures,
            CompressedImage,
            [*shown, end],
            lambda: observer.pictures and observer.pictures[-1].header.stamp.sec == end,
        )
        assert [msg.header.stamp.sec for msg in observer.pictures] == [*kept, end]
    finally:
        executor.shutdown()
        observer.destroy_node()
        peer.destroy_node()
        rclpy.shutdown()


def test_an_input_misses_no_image_before_the_camera_has_sent_one(monkeypatch):
    rclpy.init()
    observer, camera = YoloObserver(['det']), rclpy.create_node('camera')
    executor = SingleThreadedExecutor()
    executor.add_node(observer)
    stats = camera.create_publisher(PipelineStats, '/demo/camera/stats', qos.RESULTS)
    said = camera.create_publisher(DiagnosticArray, '/diagnostics', qos.RESULTS)
    silence = DiagnosticStatus(
        level=DiagnosticStatus.ERROR,
        name='/demo/yolo/yolo_node: input /demo/camera/image_raw',
        hardware_id='/demo/yolo/yolo_node',
        message='no image any more',
    )

    def hear(publisher, message, done):
        deadline = time.monotonic() + 20
        while not done():
            assert time.monotonic() < deadline
            publisher.publish(message)
            executor.spin_once(timeout_sec=0.05)

    def count(number):
        message = PipelineStats(frames_processed=number)
        hear(stats, message, lambda: observer.camera_stats.frames_processed == number)

    heard = []
    is_early = observer._is_early
    monkeypatch.setattr(observer, '_is_early', lambda line: heard.append(line) or is_early(line))
    monkeypatch.setattr(observers, '_INPUT_PATIENCE_S', 0.0)
    try:
        count(90)
        observer.camera_changes()
        count(91)  # the last one of before the start
        count(0)
        hear(said, DiagnosticArray(status=[silence]), lambda: heard)
        assert observer.problem == ''
        count(5)
        hear(said, DiagnosticArray(status=[silence]), lambda: observer.problem)
        assert observer.problem == '/demo/yolo/yolo_node: no image any more'
    finally:
        executor.shutdown()
        observer.destroy_node()
        camera.destroy_node()
        rclpy.shutdown()


def test_results_of_a_recording_that_begins_again_have_the_times_of_their_arrival():
    rclpy.init()
    observer = YoloObserver(['det'])
    try:
        begun = time.monotonic()
        for second in (8, 9, 7, 8):
            observer.keep('det', Detection2DArray(header=Header(stamp=Time(sec=second))))
        arrivals = observer.arrivals['det']
        times = [begun, *arrivals, time.monotonic()]
        assert times == sorted(times)
        assert len(arrivals) == len(observer.results['det'])
        observer.clear()
        assert not observer.arrivals['det']
    finally:
        observer.destroy_node()
        rclpy.shutdown()
