"""The belt runs only while results say that it may."""

import itertools
import math
import re
from pathlib import Path

import numpy as np
import pytest
from belt_stop.decision import Decision
from belt_stop.node import BeltStop
from jetson_perception.msg import ClassArea, SegmentationSummary
from nodes.support import unique_header
from rclpy.parameter import Parameter
from std_msgs.msg import Bool

from jetson_perception_scenes.oranges import CLASS_NAMES, OrangeScene


@pytest.fixture
def decision():
    return Decision(stop_above=0.2, run_below=0.1, silence_s=1.0)


class TestDecision:
    def test_it_does_not_run_before_it_has_heard_of_little(self, decision):
        assert not decision.may_run(0.0)
        decision.hear(0.15, 0.0)  # between the thresholds
        assert not decision.may_run(0.0)

    def test_hysteresis(self, decision):
        runs = []
        for share in (0.0, 0.1, 0.15, 0.2, 0.21, 0.15, 0.11, 0.1, 0.15):
            decision.hear(share, 0.0)
            runs.append(decision.may_run(0.0))
        assert runs == [True, True, True, True, False, False, False, True, True]

    def test_silence_stops_it_until_there_is_little_again(self, decision):
        decision.hear(0.0, 5.0)
        assert decision.may_run(6.0)
        assert not decision.may_run(6.1)
        assert decision.why == 'nothing heard for 1.0 s'
        decision.hear(0.15, 6.2)
        assert not decision.may_run(6.2)
        decision.hear(0.05, 6.3)
        assert decision.may_run(6.3)

    @pytest.mark.parametrize('share', [math.nan, math.inf, -0.1, 1.1])
    def test_what_is_no_share_stops_it(self, decision, share):
        decision.hear(0.0, 0.0)
        decision.hear(share, 0.0)
        assert not decision.may_run(0.0)

    @pytest.mark.parametrize(
        'values',
        [(0.1, 0.2, 1.0), (math.nan, 0.0, 1.0), (1.1, 0.0, 1.0), (0.2, -0.1, 1.0)]
        + [(0.2, 0.1, silence) for silence in (0.0, -1.0, math.nan, math.inf)],
    )
    def test_settings_that_cannot_be(self, values):
        with pytest.raises(ValueError, match='; expected '):
            Decision(*values)


def test_rendered_oranges_stop_the_belt_and_let_it_run_again():
    """With the thresholds of the launch file, which its page runs on them."""
    launch = (
        Path(__file__).parents[3] / 'examples/belt_stop/launch/belt_stop.launch.py'
    ).read_text()
    stop_above, run_below = (
        float(re.search(rf"'{name}',\s*default_value='([0-9.]+)'", launch)[1])
        for name in ('stop_above', 'run_below')
    )
    decision = Decision(stop_above, run_below, silence_s=1.0)
    scene = OrangeScene((1280, 720), seed=3)  # that of scene://oranges
    ulcer = CLASS_NAMES.index('ulcer')
    runs = []
    for time_s in np.arange(0, 30, 0.5):
        decision.hear(float(np.mean(scene.frame(time_s)[1] == ulcer)), time_s)
        runs.append(decision.may_run(time_s))
    changes = [now for before, now in itertools.pairwise(runs) if before != now]
    assert True in changes
    assert False in changes
    assert len(changes) < 10


def test_the_node(peer):
    node = BeltStop(
        context=peer.node.context,
        namespace=peer.namespace,
        parameter_overrides=[
            Parameter('class_name', value='stone'),
            Parameter('silence', value=0.3),
        ],
    )
    peer.add(node)
    said = peer.collect('run', Bool)
    summaries = peer.node.create_publisher(SegmentationSummary, 'summary', 1)

    def say(share, until, name='stone'):
        said.clear()

        def as_wanted():
            if share is not None:
                areas = [ClassArea(class_name=name, ratio=share)]
                summaries.publish(SegmentationSummary(header=unique_header(), classes=areas))
            return said and said[-1].data == until

        peer.wait_for(as_wanted, f'{until} on run')

    try:
        say(None, until=False)
        say(0.0, until=True)
        say(0.5, until=False)
        say(0.0, until=True)
        say(None, until=False)  # silence
        say(0.0, until=True)
        say(0.0, until=False, name='other')  # a model without the class
        say(0.0, until=True)
        said.clear()
        node.stop()
        peer.wait_for(lambda: said and not said[0].data, 'the stop at the end')
    finally:
        peer.remove(node)
        node.destroy_node()
