import sys
from importlib.util import find_spec
from types import SimpleNamespace

import pytest
from builtin_interfaces.msg import Time
from std_msgs.msg import Header

from jetson_perception.errors import ImageError, ParameterError
from jetson_perception.ros.target_frame import TargetFrame


@pytest.mark.skipif(find_spec('tf2_ros') is not None, reason='tf2_ros is installed')
def test_without_tf2_ros(make_node):
    with pytest.raises(ParameterError, match=r"is 'base_link', which needs tf2_ros.*apt-get"):
        TargetFrame(make_node(), 'base_link')


class StandInTf2:
    """tf2_ros, which no registry of Python has: a buffer of one dynamic transform a time."""

    TransformException = type('TransformException', (Exception,), {})

    def __init__(self):
        self.known_s = []
        self.refused_s = []
        tf2 = self

        class Buffer:
            def lookup_transform(self, target, source, time, timeout):
                assert (target, source) == ('base_link', 'camera')
                assert timeout.nanoseconds == 10**8
                if time.nanoseconds // 10**9 not in tf2.known_s:
                    raise tf2.TransformException('would require extrapolation')
                at, turn = (
                    SimpleNamespace(x=1.0, y=0.0, z=0.0),
                    SimpleNamespace(x=0, y=0, z=0, w=1),
                )
                return SimpleNamespace(transform=SimpleNamespace(translation=at, rotation=turn))

            def clear(self):
                tf2.known_s.clear()

        self.Buffer = Buffer
        self.TransformListener = lambda buffer, node, spin_thread: SimpleNamespace(
            unregister=lambda: None
        )

    def hear(self, stamp_s):
        """A transform comes; tf2 keeps ten seconds, and refuses what is older."""
        if self.known_s and stamp_s < max(self.known_s) - 10:
            self.refused_s.append(stamp_s)
        else:
            self.known_s.append(stamp_s)


class Objects:
    """What is moved."""

    def moved(self, at, turn):
        assert (at, turn) == ((1.0, 0.0, 0.0), (0, 0, 0, 1))
        return 'moved'


@pytest.fixture
def tf2(monkeypatch):
    stand_in = StandInTf2()
    monkeypatch.setitem(sys.modules, 'tf2_ros', stand_in)
    return stand_in


def moved_at(target, stamp_s):
    header = Header(stamp=Time(sec=stamp_s), frame_id='camera')
    objects, there = target.moved(Objects(), header)
    assert (there.frame_id, there.stamp) == ('base_link', header.stamp)
    return objects


def test_a_recording_that_begins_anew_gets_its_transforms_again(make_node, tf2):
    target = TargetFrame(make_node(), 'base_link')
    for stamp_s in (100, 130):
        tf2.hear(stamp_s)
        assert moved_at(target, stamp_s) == 'moved'
    tf2.hear(100)
    assert tf2.refused_s == [100]
    with pytest.raises(ImageError, match='no transform from camera to base_link'):
        moved_at(target, 100)
    for stamp_s in (101, 102):
        tf2.hear(stamp_s)
        assert moved_at(target, stamp_s) == 'moved'


def test_an_image_that_comes_late_costs_no_transforms(make_node, tf2):
    target = TargetFrame(make_node(), 'base_link')
    for stamp_s in (100, 101, 100, 101):
        tf2.hear(stamp_s)
        assert moved_at(target, stamp_s) == 'moved'
    assert tf2.known_s == [100, 101, 100, 101]
