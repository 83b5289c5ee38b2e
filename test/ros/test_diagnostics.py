"""Health on /diagnostics: once a second, in every state, in words and numbers."""

import errno
import re

import pytest
import yaml
from diagnostic_msgs.msg import DiagnosticArray
from rclpy.parameter import Parameter

from jetson_perception.resources import config_path
from jetson_perception.ros import diagnostics


@pytest.mark.parametrize(
    ('value', 'text'),
    [
        pytest.param(29.97342, '29.97', id='a_number_is_rounded_for_people'),
        pytest.param(0.0, '0.00', id='zero'),
        pytest.param(12, '12', id='a_count'),
        pytest.param('none', 'none', id='a_text'),
        pytest.param('', '', id='an_empty_text'),
    ],
)
def test_values_as_texts(value, text):
    msg = diagnostics.status(diagnostics.OK, 'seg', 'active', {'key': value})
    assert [(pair.key, pair.value) for pair in msg.values] == [('key', text)]


def test_values_keep_their_order():
    msg = diagnostics.status(diagnostics.WARN, 'seg', 'slow', {'b': 1, 'a': 2, 'c': 3})
    assert (msg.level, msg.name, msg.message) == (diagnostics.WARN, 'seg', 'slow')
    assert [pair.key for pair in msg.values] == ['b', 'a', 'c']


class TestDiagnosticsPublisher:
    def test_publishes_the_collected_statuses_each_time(self, peer):
        """With the node's name as hardware, and a stamp that goes on."""
        counts = iter(range(1000))
        arrays = peer.collect('/diagnostics', DiagnosticArray)
        diagnostics.DiagnosticsPublisher(
            peer.node,
            lambda: [
                diagnostics.status(diagnostics.OK, 'first', str(next(counts)), {}),
                diagnostics.status(diagnostics.ERROR, 'second', 'lost', {}),
            ],
        )
        peer.wait_for(lambda: len(arrays) >= 3, 'three diagnostics')
        assert [[line.name for line in msg.status] for msg in arrays] == [['first', 'second']] * 3
        numbers = [int(msg.status[0].message) for msg in arrays]
        assert numbers == list(range(numbers[0], numbers[0] + 3))
        assert arrays[0].status[1].level == diagnostics.ERROR
        hardware = {line.hardware_id for msg in arrays for line in msg.status}
        assert hardware == {f'/{peer.namespace}/peer'}
        stamps = [(msg.header.stamp.sec, msg.header.stamp.nanosec) for msg in arrays]
        assert stamps == sorted(set(stamps))
        assert stamps[0] > (0, 0)

    def test_what_fails_in_them_is_told_in_their_place(self, peer):
        arrays = peer.collect('/diagnostics', DiagnosticArray)

        def fail():
            raise OSError(errno.EMFILE, 'Too many open files')

        publisher = diagnostics.DiagnosticsPublisher(peer.node, fail)
        for timer in list(peer.node.timers):
            peer.node.destroy_timer(timer)

        def comes():
            with pytest.raises(OSError, match='Too many'):
                publisher.publish()
            peer.listen_once(0.05)
            return arrays

        peer.wait_for(comes, 'a line')
        (line,) = arrays[0].status
        assert (line.level, line.name) == (diagnostics.ERROR, f'/{peer.namespace}/peer')
        assert line.message.startswith('how it does cannot be found out: no file handle of ')

    def test_once_a_second(self, peer):
        diagnostics.DiagnosticsPublisher(peer.node, list)
        assert [timer.timer_period_ns for timer in peer.node.timers] == [1_000_000_000]

    def test_simulated_time_that_stands_still_does_not_silence_it(self, peer):
        peer.node.set_parameters([Parameter('use_sim_time', value=True)])
        arrays = peer.collect('/diagnostics', DiagnosticArray)
        diagnostics.DiagnosticsPublisher(
            peer.node, lambda: [diagnostics.status(diagnostics.OK, 'seg', 'active', {})]
        )
        peer.wait_for(lambda: len(arrays) >= 2, 'diagnostics without a /clock')
        assert arrays[-1].header.stamp.sec == 0


class TestAggregator:
    """config/diagnostics_aggregator.yaml: each line goes to one group, and nobody else's does."""

    @pytest.mark.parametrize(
        ('name', 'group'),
        [
            pytest.param('/robot/seg_node', 'Nodes', id='node'),
            pytest.param('/camera/camera_node: source', 'Cameras', id='camera'),
            pytest.param('/seg_node: input /camera/image_raw', 'Inputs', id='input'),
            pytest.param('/seg_node: segmentation', 'Engines', id='engine'),
            pytest.param('/yolo/yolo_node: source_of_light', 'Engines', id='engine_like_a_source'),
            pytest.param('usb_cam: Frame rate', None, id='another_driver'),
        ],
    )
    def test_groups(self, name, group):
        config = yaml.safe_load(config_path('diagnostics_aggregator.yaml').read_text())
        groups = config['analyzers']['ros__parameters'].values()
        analyzers = [each for each in groups if isinstance(each, dict)]
        assert {each['type'] for each in analyzers} == {'diagnostic_aggregator/GenericAnalyzer'}
        # As the analyzer does: the whole name has to match.
        found = [
            each['path']
            for each in analyzers
            if any(re.fullmatch(pattern, name) for pattern in each['regex'])
        ]
        assert found == ([group] if group else [])
