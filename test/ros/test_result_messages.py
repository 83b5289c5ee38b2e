"""Results as messages: boxes, names, headers, and what is left over from the frame before."""

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from jetson_perception.msg import KeypointDetection2DArray, PipelineStats, SegmentationSummary
from rclpy.serialization import deserialize_message, serialize_message
from std_msgs.msg import Header
from vision_msgs.msg import Detection2DArray

from jetson_perception.drawing.text import drawn_name
from jetson_perception.errors import PerceptionError
from jetson_perception.model_info import keypoint_name_of
from jetson_perception.pipeline import Frame, Lane
from jetson_perception.ros.result_messages import (
    DetectionMessage,
    InstanceMessage,
    KeypointMessage,
    label_info_message,
    stage_messages,
    stats_message,
    summary_message,
)
from jetson_perception.tasks.classes import class_ids
from jetson_perception.tasks.results import Detections, Segmentation

MESSAGES = Path(__file__).resolve().parents[2] / 'msg'
NAMES = ('person', 'dog', 'traffic light')
TRACKS = np.array([7, -1, 123456789012], np.int64)


def header(sec=1_700_000_000, nanosec=999_999_999, frame_id='camera_optical'):
    msg = Header(frame_id=frame_id)
    msg.stamp.sec, msg.stamp.nanosec = sec, nanosec
    return msg


def detections(*rows, keypoints=None):
    """Detections from rows of left, top, right, bottom, score, class."""
    values = np.asarray(rows, np.float32).reshape(-1, 6)
    points = None if keypoints is None else np.asarray(keypoints, np.float32)
    return Detections(values[:, :4], values[:, 4], values[:, 5].astype(np.int32), points)


def over_the_wire(msg):
    """What a subscriber gets."""
    return deserialize_message(serialize_message(msg), type(msg))


def boxes_of(msg):
    return [
        (b.center.position.x, b.center.position.y, b.center.theta, b.size_x, b.size_y)
        for b in (found.bbox for found in msg.detections)
    ]


class TestDetectionMessage:
    def test_nothing_found_is_an_empty_array_with_the_header(self):
        msg = over_the_wire(DetectionMessage(NAMES).fill(Detections.empty(), header()))
        assert isinstance(msg, Detection2DArray)
        assert msg.detections == []
        assert msg.header == header()

    @pytest.mark.parametrize(
        ('xyxy', 'expected'),
        [
            pytest.param((10, 20, 30, 60), (20, 40, 0, 20, 40), id='whole_pixels'),
            pytest.param((0.5, 0.25, 2, 1), (1.25, 0.625, 0, 1.5, 0.75), id='parts_of_pixels'),
            pytest.param((0, 0, 1280, 720), (640, 360, 0, 1280, 720), id='the_whole_image'),
            pytest.param((7, 9, 7, 9), (7, 9, 0, 0, 0), id='a_point'),
        ],
    )
    def test_corners_become_center_and_size(self, xyxy, expected):
        found = detections((*xyxy, 0.5, 0))
        assert boxes_of(DetectionMessage(NAMES).fill(found, header())) == [expected]

    def test_ids_are_text_and_none_is_left_from_the_frame_before(self):
        message = DetectionMessage(NAMES)
        found = detections(*[(0, 0, 1, 1, 0.5, 0)] * 3)
        tracked = over_the_wire(message.fill(replace(found, track_id=TRACKS), header()))
        assert [each.id for each in tracked.detections] == ['7', '', '123456789012']
        untracked = over_the_wire(message.fill(found, header()))
        assert [each.id for each in untracked.detections] == ['', '', '']

    def test_class_id_is_the_name_and_the_score_is_kept(self):
        found = detections((0, 0, 1, 1, 0.75, 2), (0, 0, 1, 1, 0.25, 0))
        msg = over_the_wire(DetectionMessage(NAMES).fill(found, header()))
        hypotheses = [[h.hypothesis for h in found.results] for found in msg.detections]
        assert [[(h.class_id, h.score) for h in each] for each in hypotheses] == [
            [('traffic light', 0.75)],
            [('person', 0.25)],
        ]

    @pytest.mark.parametrize(
        ('names', 'class_id', 'expected'),
        [
            pytest.param((), 3, 'class_3', id='a_model_that_names_none'),
            pytest.param(NAMES, 79, 'class_79', id='an_id_beyond_the_names'),
            pytest.param(('Größe', 'ネコ'), 1, 'ネコ', id='a_name_beyond_ascii'),
        ],
    )
    def test_names_that_are_missing_or_foreign(self, names, class_id, expected):
        """An end-to-end model without names may give any class; the frame must not be lost."""
        found = detections((0, 0, 1, 1, 0.5, class_id))
        points = detections((0, 0, 1, 1, 0.5, class_id), keypoints=np.zeros((1, 1, 3)))
        msg = over_the_wire(DetectionMessage(names).fill(found, header()))
        assert msg.detections[0].results[0].hypothesis.class_id == expected
        msg = over_the_wire(KeypointMessage(names, ['nose']).fill(points, header()))
        assert msg.detections[0].hypothesis.class_id == expected

    def test_a_class_without_a_name_is_called_the_same_everywhere(self):
        mask = np.full((2, 2), 7, np.uint8)
        area = summary_message(Segmentation(mask, np.bincount(mask.ravel())), NAMES, header())
        found = detections((0, 0, 1, 1, 0.5, 7))
        msg = DetectionMessage(NAMES).fill(found, header())
        name = msg.detections[0].results[0].hypothesis.class_id
        assert name == area.classes[7].class_name == drawn_name(NAMES, 7)
        assert class_ids([name], ()) == (7,)
        assert f'"{name}"' in (MESSAGES / 'ClassArea.msg').read_text()

    def test_keypoints_without_names_are_called_as_the_message_says(self):
        comments = (MESSAGES / 'Keypoint2D.msg').read_text()
        assert [f'"{keypoint_name_of((), index)}"' in comments for index in (0, 1)] == [True, True]

    def test_every_header_is_the_image_header(self):
        filler = DetectionMessage(NAMES)
        first, second = header(1, 2, 'front'), header(3, 4, 'rear')
        found = detections((0, 0, 1, 1, 0.5, 0), (2, 2, 3, 3, 0.4, 1))
        filler.fill(found, first)
        msg = over_the_wire(filler.fill(found, second))
        assert [msg.header, *(each.header for each in msg.detections)] == [second] * 3
        assert first == header(1, 2, 'front')

    def test_a_message_filled_again_has_nothing_of_the_frame_before(self):
        """Every count after every other, each compared with a message that is new."""
        filler = DetectionMessage(NAMES)
        rng = np.random.default_rng(3)
        for stamp, count in enumerate([3, 0, 5, 1, 1, 4, 0, 2]):
            corners = rng.uniform(0, 100, (count, 2, 2)).cumsum(axis=1).reshape(count, 4)
            rows = np.column_stack(
                [corners, rng.uniform(0, 1, count), rng.integers(0, len(NAMES), count)]
            )
            found = detections(*rows)
            msg = over_the_wire(filler.fill(found, header(stamp)))
            assert len(msg.detections) == count
            assert msg == over_the_wire(DetectionMessage(NAMES).fill(found, header(stamp)))


class TestInstanceMessage:
    @pytest.mark.parametrize(
        ('count', 'encoding', 'step'),
        [
            pytest.param(0, 'mono8', 3, id='none'),
            pytest.param(255, 'mono8', 3, id='as_many_as_a_byte_holds'),
            pytest.param(256, '16UC1', 6, id='one_more'),
        ],
    )
    def test_ids_at_the_size_of_the_image(self, count, encoding, step):
        dtype = np.uint8 if encoding == 'mono8' else np.uint16
        ids = np.array([[0, 1, count], [count, 0, 0]], dtype)
        found = Detections(
            np.zeros((count, 4), np.float32),
            np.zeros(count, np.float32),
            np.zeros(count, np.int32),
            instance_ids=ids,
        )
        msg = over_the_wire(InstanceMessage().fill(found, header()))
        assert (msg.height, msg.width, msg.encoding, msg.step) == (2, 3, encoding, step)
        assert msg.header == header()
        assert np.frombuffer(msg.data, dtype).reshape(2, 3).tolist() == ids.tolist()


class TestKeypointMessage:
    def test_ids_and_order_are_those_of_the_detections(self):
        found = replace(
            detections(*[(0, 0, 1, 1, 0.5, 0)] * 3, keypoints=np.zeros((3, 1, 3))), track_id=TRACKS
        )
        boxes = over_the_wire(DetectionMessage(NAMES).fill(found, header()))
        points = over_the_wire(KeypointMessage(NAMES, ['nose']).fill(found, header()))
        assert [each.id for each in points.detections] == ['7', '', '123456789012']
        assert [each.id for each in boxes.detections] == [each.id for each in points.detections]

    POINTS = ('nose', 'tail')

    def test_nothing_found_is_an_empty_array_with_the_header(self):
        filler = KeypointMessage(NAMES, self.POINTS)
        msg = over_the_wire(filler.fill(Detections.empty(keypoint_count=2), header()))
        assert isinstance(msg, KeypointDetection2DArray)
        assert msg.detections == []
        assert msg.header == header()

    def test_every_point_with_its_name_and_score(self):
        """Also those that score little, or lie outside the image: subscribers choose."""
        found = detections(
            (10, 20, 30, 60, 0.75, 1),
            (0, 0, 4, 2, 0.5, 0),
            keypoints=[[(12, 24, 0.875), (-3.5, 700, 0)], [(1, 2, 0.25), (3, 4, 1)]],
        )
        msg = over_the_wire(KeypointMessage(NAMES, self.POINTS).fill(found, header()))
        assert boxes_of(msg) == [(20, 40, 0, 20, 40), (2, 1, 0, 4, 2)]
        assert [(d.hypothesis.class_id, d.hypothesis.score) for d in msg.detections] == [
            ('dog', 0.75),
            ('person', 0.5),
        ]
        assert [[(p.name, p.x, p.y, p.score) for p in d.keypoints] for d in msg.detections] == [
            [('nose', 12, 24, 0.875), ('tail', -3.5, 700, 0)],
            [('nose', 1, 2, 0.25), ('tail', 3, 4, 1)],
        ]

    def test_a_message_filled_again_has_nothing_of_the_frame_before(self):
        filler = KeypointMessage(NAMES, self.POINTS)
        for stamp, count in enumerate([2, 0, 4, 1, 3]):
            found = detections(
                *[(row, stamp, row + 5, stamp + 7, 0.5, row % 3) for row in range(count)],
                keypoints=np.arange(count * 6).reshape(count, 2, 3) + stamp,
            )
            msg = over_the_wire(filler.fill(found, header(stamp)))
            assert len(msg.detections) == count
            fresh = KeypointMessage(NAMES, self.POINTS).fill(found, header(stamp))
            assert msg == over_the_wire(fresh)


class TestSummaryMessage:
    def test_pixels_and_share_of_each_class(self):
        result = Segmentation(np.zeros((2, 4), np.uint8), np.array([6, 0, 2]))
        msg = over_the_wire(summary_message(result, NAMES, header()))
        assert isinstance(msg, SegmentationSummary)
        assert msg.header == header()
        assert [(c.class_id, c.class_name, c.pixels, c.ratio) for c in msg.classes] == [
            (0, 'person', 6, 0.75),
            (1, 'dog', 0, 0.0),
            (2, 'traffic light', 2, 0.25),
        ]

    @pytest.mark.parametrize(
        ('names', 'expected'),
        [
            pytest.param((), ['class_0', 'class_1', 'class_2'], id='a_model_that_names_none'),
            pytest.param(('sky',), ['sky', 'class_1', 'class_2'], id='fewer_names_than_classes'),
        ],
    )
    def test_a_mask_may_hold_other_classes_than_are_named(self, names, expected):
        result = Segmentation(np.zeros((2, 4), np.uint8), np.array([6, 0, 2]))
        msg = summary_message(result, names, header())
        assert [area.class_name for area in msg.classes] == expected
        assert [area.pixels for area in msg.classes] == [6, 0, 2]


def test_label_info_maps_ids_to_names():
    msg = over_the_wire(label_info_message(NAMES, 0.25, header()))
    assert [(c.class_id, c.class_name) for c in msg.class_map] == list(enumerate(NAMES))
    assert msg.threshold == 0.25
    assert msg.header == header()


class Doubling:
    """A model whose result is twice the brightest pixel; black is an error."""

    input_key = 'doubling'
    engine = SimpleNamespace(description='Python, on fingers')
    device_path = None

    def bind_thread(self):
        pass

    def interrupt(self):
        pass

    def preprocess(self, bgr, out=None):
        return bgr, None

    def infer(self, tensor):
        if not tensor.any():
            raise PerceptionError('black')
        return [tensor.max()]

    def postprocess(self, outputs, transform, options=None):
        return int(outputs[0]) * 2


class TestStatsMessage:
    def test_of_a_lane_that_did_nothing_yet(self):
        msg = over_the_wire(stats_message(Lane('det', Doubling(), None), 0, header()))
        assert isinstance(msg, PipelineStats)
        assert (msg.engine, msg.frame_rate, list(msg.stages)) == ('det', 0.0, [])
        assert msg.header == header()

    def test_names_the_runtime_and_the_source_of_images(self):
        lane = Lane('det', Doubling(), None)
        msg = over_the_wire(stats_message(lane, 0, header(), '/front/image_raw'))
        assert (msg.runtime, msg.input) == ('Python, on fingers', '/front/image_raw')

    def test_every_frame_is_accounted_for(self):
        lane = Lane('det', Doubling(), lambda frame, result: None, on_error=lambda error: None)
        for value in (7, 0, 9):
            frame = Frame(lambda value=value: np.full((2, 2, 3), value, np.uint8), age_ms=1.5)
            lane.offer(frame)
            ((_, result),) = lane.process([lane.slot.take()])
            if result is not None:
                lane.published(frame, frame.received_ns)
        # Two frames wait for nobody: the second replaces the first.
        for _ in range(2):
            lane.offer(Frame(lambda: np.zeros((2, 2, 3), np.uint8)))
        msg = over_the_wire(stats_message(lane, 4, header()))
        assert msg.frames_received == 5 + 4
        assert msg.frames_processed == 2
        assert msg.frames_skipped == 1
        assert msg.frames_failed == 1 + 4
        names = [stage.name for stage in msg.stages]
        assert names == [
            "transport", "wait", "preprocess", "inference", "postprocess", "publish", "total"
        ]  # fmt: skip
        assert {stage.samples for stage in msg.stages} == {2}
        transport = msg.stages[0]
        assert (transport.median_ms, transport.p99_ms) == (1.5, 1.5)

    def test_stages_without_a_time_are_left_out(self):
        lane = Lane('det', Doubling(), None)
        lane.times.record('inference', 2.0)
        assert [stage.name for stage in stage_messages(lane.times)] == ['inference']
