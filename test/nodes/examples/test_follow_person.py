"""The follower: it stands unless all is well."""

import math

import pytest
from follow_person.node import FollowPerson
from follow_person.steering import Box, Limits, choose, velocities
from geometry_msgs.msg import Twist
from nodes.support import unique_header
from rcl_interfaces.msg import Log
from rclpy.parameter import Parameter
from rclpy.qos import QoSProfile
from sensor_msgs.msg import CameraInfo
from std_msgs.msg import Bool
from vision_msgs.msg import Detection2D, Detection2DArray, ObjectHypothesisWithPose

SIZE_WH = (640, 480)


def detections(*boxes, score=0.9, class_name='person'):
    """One Detection2DArray of boxes as (identity, center x, height)."""
    found = []
    for identity, x, height in boxes:
        each = Detection2D(id=identity, results=[ObjectHypothesisWithPose()])
        each.results[0].hypothesis.class_id = class_name
        each.results[0].hypothesis.score = score
        each.bbox.center.position.x = float(x)
        each.bbox.size_y = float(height)
        found.append(each)
    return Detection2DArray(header=unique_header(), detections=found)


class TestChoose:
    @pytest.mark.parametrize(
        'boxes',
        [
            pytest.param([], id='none'),
            pytest.param([Box('', math.nan, 9)], id='nowhere'),
            pytest.param([Box('', 9, math.nan)], id='no_height'),
            pytest.param([Box('', 9, math.inf)], id='endless'),
            pytest.param([Box('', 9, 0)], id='flat'),
        ],
    )
    def test_nobody(self, boxes):
        assert choose(boxes, '') is None

    def test_the_tallest_unless_another_is_followed(self):
        near, far = Box('1', 9, 200), Box('2', 9, 100)
        assert choose([far, near], '') == near
        assert choose([far, near], '2') == far
        assert choose([far, near], '3') == near
        assert choose([Box('', 9, 1), Box('', 9, 2)], '').height == 2


class TestVelocities:
    @pytest.mark.parametrize(
        ('x', 'height', 'expected'),
        [
            pytest.param(320, 1, (1, 0), id='ahead_and_far'),
            pytest.param(320, 240, (0, 0), id='at_the_distance'),
            pytest.param(320, 480, (0, 0), id='too_near_but_never_back'),
            pytest.param(0, 1, (0, 2), id='left'),
            pytest.param(640, 1, (0, -2), id='right'),
            pytest.param(9999, 1, (0, -2), id='outside_of_the_image'),
        ],
    )
    def test_by_hand(self, x, height, expected):
        limits = Limits(wanted_height=0.5, max_speed=1, max_turn=2)
        assert velocities(Box('', x, height), SIZE_WH, limits) == pytest.approx(expected)

    @pytest.mark.parametrize('name', ['wanted_height', 'max_speed', 'max_turn'])
    @pytest.mark.parametrize('value', [-1, math.nan, math.inf])
    def test_limits_out_of_range(self, name, value):
        with pytest.raises(ValueError, match=f'{name} is {value}; expected '):
            Limits(**{name: value})


@pytest.fixture
def robot(peer):
    """A function that sends to a follower until its velocity is as wanted."""
    node = FollowPerson(
        context=peer.node.context,
        namespace=peer.namespace,
        parameter_overrides=[
            Parameter(f'{name}_timeout', value=0.3) for name in ('deadman', 'target')
        ],
    )
    peer.add(node)
    commands = peer.collect('cmd_vel', Twist)
    publishers = {
        kind: peer.node.create_publisher(kind, topic, 1)
        for topic, kind in (
            ('deadman', Bool),
            ('camera_info', CameraInfo),
            ('detections', Detection2DArray),
        )
    }

    def drive(*messages, until):
        commands.clear()

        def as_wanted():
            for message in messages:
                publishers[type(message)].publish(message)
            return commands and until(commands)

        peer.wait_for(as_wanted, 'the velocity')
        return commands

    yield drive
    peer.remove(node)
    node.destroy_node()


HELD, RELEASED = Bool(data=True), Bool(data=False)
INFO = CameraInfo(width=SIZE_WH[0], height=SIZE_WH[1])
PERSON = detections(('', 100, 50))


def is_still(command):
    return command == Twist()


def moves(commands):
    return commands[-1].linear.x > 0 and commands[-1].angular.z > 0


def stands(commands):
    return is_still(commands[-1])


def stands_on(commands):
    """It has stood for a while."""
    return len(commands) > 3


def test_it_moves_and_each_reason_to_stop_stops_it(robot):
    stood = robot(INFO, PERSON, until=stands_on)  # nobody holds the deadman
    assert all(map(is_still, stood))
    robot(HELD, INFO, PERSON, until=moves)
    robot(RELEASED, INFO, PERSON, until=stands)
    robot(HELD, INFO, PERSON, until=moves)
    robot(INFO, PERSON, until=stands)  # the deadman is not heard any more
    robot(HELD, INFO, PERSON, until=moves)
    robot(HELD, INFO, detections(), until=stands)  # the person is gone
    robot(HELD, INFO, PERSON, until=moves)
    robot(HELD, INFO, until=stands)  # the detector is silent
    robot(HELD, INFO, PERSON, until=moves)
    robot(HELD, CameraInfo(), PERSON, until=stands)  # a camera without a size


def test_whom_it_does_not_follow(robot):
    for message in (
        detections(('', math.nan, 50)),
        detections(('', 100, 50), score=0.1),
        detections(('', 100, 50), score=math.nan),
        detections(('', 100, 50), class_name='chair'),
        Detection2DArray(detections=[Detection2D()]),
    ):
        assert all(map(is_still, robot(HELD, INFO, message, until=stands_on))), message
    robot(HELD, INFO, PERSON, until=moves)


def test_it_says_what_holds_it(robot, peer):
    said = peer.collect('/rosout', Log, QoSProfile(depth=50))
    robot(INFO, PERSON, until=stands_on)
    robot(HELD, INFO, PERSON, until=moves)
    robot(HELD, INFO, detections(), until=stands)
    expected = [
        'the robot stands: deadman does not say true',
        'the robot follows a person',
        'the robot stands: no person is seen',
    ]
    peer.wait_for(lambda: [msg.msg for msg in said][-1:] == expected[-1:], 'the last reason')
    assert [msg.msg for msg in said if msg.msg in expected][-2:] == expected[1:]
