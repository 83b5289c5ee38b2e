"""What is said of a topic that was measured: from figures to lines."""

from __future__ import annotations

import pytest

from jetson_perception.doctor.machine import Answer, Machine
from jetson_perception.doctor.topic import (
    arrives_whole,
    examine_topic,
    measured_topic,
    topic_summary,
)

CAMERA = {
    'node': '/camera', 'type': 'sensor_msgs/msg/Image', 'reliability': 'best_effort',
    'durability': 'volatile', 'same_host': True, 'pid': 42, 'program': 'camera_node',
    'user': 'robot',
}  # fmt: skip
WELL = {
    'topic': '/image_raw', 'type_name': 'sensor_msgs/msg/Image', 'seconds': 5.0, 'received': 150,
    'lost': 0, 'counted_by': 'numbers', 'rate_hz': 30.04, 'sent_hz': 30.0, 'silent_s': 0.03,
    'jitter_ms': 1.24, 'stamp_jitter_ms': 0.31,
    'age_ms': {'median': 4.04, 'p99': 8.12, 'max': 11.5, 'before_sending': 1.1},
    'clock_problem': '', 'nbytes': 2764852, 'image': '1280×720 bgr8', 'publishers': [CAMERA],
    'subscribers_without': [], 'transport': 'shared memory', 'findings': [],
}  # fmt: skip
WHY = {'cause': 'stale', 'found': '/dev/shm is full', 'cure': 'fastdds shm clean'}


def lines(**changed):
    """Name, verdict, text and advice of each line."""
    return [
        (each.name, each.verdict, each.found, each.advice)
        for each in examine_topic({**WELL, **changed})
    ]


def line(name, **changed):
    (found,) = [each[1:] for each in lines(**changed) if each[0] == name]
    return found


def test_all_is_well():
    assert lines() == [
        (
            'publisher', 'ok', '/camera: sensor_msgs/msg/Image, best effort, volatile; '
            'process 42 (camera_node, robot)', '',
        ),
        ('messages', 'ok', '150 in 5 s, 2.76 MB each, 1280×720 bgr8', ''),
        ('rate', 'ok', '30.0 Hz, jitter 1.2 ms (0.3 ms between stamps)', ''),
        (
            'age', 'ok', 'median 4.0 ms, 99 % 8.1 ms, most 11.5 ms; 1.1 ms of it before it was '
            'sent', '',
        ),
        ('transport', 'ok', 'shared memory', ''),
        ('lost', 'ok', "none of 150, by the publisher's numbers", ''),
    ]  # fmt: skip
    assert arrives_whole(WELL)
    assert topic_summary(WELL) == '/image_raw arrives at 30.0 Hz; nothing is lost.'


def test_some_are_lost_with_the_cause_and_its_cure():
    losing = {**WELL, 'received': 50, 'lost': 100, 'rate_hz': 10.0, 'findings': [WHY]}
    assert line('lost', **losing) == (
        'warning', "100 of 150 (66.7 %), by the publisher's numbers", ''
    )  # fmt: skip
    assert line('cause', **losing) == ('warning', '/dev/shm is full', 'fastdds shm clean')
    assert line('rate', **losing)[1].startswith('10.0 Hz of 30.0 Hz that are sent')
    assert not arrives_whole(losing)
    assert (
        topic_summary(losing) == '/image_raw arrives at 10.0 Hz only; 66.7 % is lost on the way.'
    )


def test_a_few_lost_ones_are_told_and_no_fault():
    assert line('lost', lost=1)[:2] == ('ok', "1 of 151 (0.662 %), by the publisher's numbers")
    assert arrives_whole({**WELL, 'lost': 1})


@pytest.mark.parametrize(
    ('nbytes', 'told'),
    [
        pytest.param(1, '1 byte each', id='byte'),
        pytest.param(64, '64 bytes each', id='bytes'),
        pytest.param(4_500, '4.5 kB each', id='kilobytes'),
        pytest.param(250_000, '0.25 MB each', id='megabytes'),
    ],
)
def test_sizes_of_small_messages(nbytes, told):
    assert told in line('messages', nbytes=nbytes)[1]


def test_without_numbers():
    assert 'by gaps between stamps' in line('lost', counted_by='stamps')[1]


NOTHING = {
    'received': 0, 'rate_hz': 0.0, 'sent_hz': 0.0, 'silent_s': 5.0, 'jitter_ms': None,
    'stamp_jitter_ms': None, 'age_ms': None, 'counted_by': '', 'nbytes': 0, 'image': '',
    'transport': '',
}  # fmt: skip


def test_nothing_comes():
    names = [each[0] for each in lines(**NOTHING)]
    assert names == ['publisher', 'messages', 'lost']
    assert line('messages', **NOTHING) == (
        'missing', 'nothing in 5 s', 'see what the publisher logs'
    )  # fmt: skip
    assert topic_summary({**WELL, **NOTHING}) == 'Nothing comes on /image_raw.'
    assert not arrives_whole({**WELL, **NOTHING})


def test_nobody_publishes():
    assert line('publisher', **NOTHING, publishers=[])[:2] == ('missing', 'nobody publishes it')


@pytest.mark.parametrize(
    ('silent_s', 'rate_hz', 'silent'),
    [
        pytest.param(0.9, 30.0, False, id='a moment'),
        pytest.param(2.0, 30.0, True, id='camera stopped'),
        pytest.param(2.0, 1.0, False, id='slow camera'),
    ],
)
def test_silence_at_the_end(silent_s, rate_hz, silent):
    measured = {**WELL, 'silent_s': silent_s, 'rate_hz': rate_hz}
    assert ('nothing in the last' in line('messages', **measured)[1]) is silent
    assert arrives_whole(measured) is not silent
    assert topic_summary(measured).startswith('Nothing came') is silent


@pytest.mark.parametrize(
    ('changed', 'text'),
    [
        pytest.param({'same_host': False, 'pid': None}, '; on another host', id='host'),
        pytest.param({'same_host': None}, 'its id does not tell', id='other DDS'),
        pytest.param({'pid': None}, 'as in a container', id='container'),
    ],
)
def test_where_a_publisher_is(changed, text):
    assert text in line('publisher', publishers=[{**CAMERA, **changed}])[1]


def test_clocks_of_two_hosts():
    publishers = [{**CAMERA, 'same_host': False}]
    assert line('age', publishers=publishers)[1].endswith(
        'as far as the clocks of both hosts agree'
    )
    problem = "stamps are 12.0 s ahead of this machine's clock: synchronize the clocks"
    assert line('age', age_ms=None, clock_problem=problem) == (
        'warning', "stamps are 12.0 s ahead of this machine's clock", 'synchronize the clocks'
    )  # fmt: skip


def test_several_publishers_and_who_gets_nothing():
    found = lines(publishers=[CAMERA] * 6, subscribers_without=['rviz2 asks for reliable'])
    assert [each[0] for each in found].count('publisher') == 4
    assert ('warning', '6 publishers on one topic') in [each[1:3] for each in found]
    assert 'rviz2 asks for reliable: it gets nothing' in [each[2] for each in found]


class Answering(Machine):
    """Gives an answer in place of a process."""

    def __init__(self, answer):
        super().__init__()
        self.answer = answer

    def run_main(self, module, *arguments, timeout_s):
        assert timeout_s > float(arguments[1])
        return self.answer


@pytest.mark.parametrize(
    ('answer', 'error'),
    [
        pytest.param(
            Answer(problem="exit code 1: ModuleNotFoundError: No module named 'rclpy'"),
            'source /opt/ros/',
            id='no ROS',
        ),
        pytest.param(Answer(problem='ended by SIGSEGV'), 'ended by SIGSEGV', id='crash'),
        pytest.param(Answer('\nno JSON\n'), 'it printed', id='nonsense'),
        pytest.param(Answer('\n{"error": "nobody"}\n'), 'nobody', id='told'),
    ],
)
def test_what_cannot_be_measured(answer, error):
    assert error in measured_topic(Answering(answer), '/image', 1.0)['error']
