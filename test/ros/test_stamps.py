"""Ages of images by clocks that agree, and by clocks that do not."""

import time
from contextlib import ExitStack, closing
from functools import partial

import pytest
from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus, KeyValue
from nodes.support import Peer
from rcl_interfaces.msg import Log
from rclpy.parameter import Parameter
from rclpy.qos import QoSDurabilityPolicy, QoSProfile, QoSReliabilityPolicy
from rclpy.time import Time
from rosgraph_msgs.msg import Clock
from std_msgs.msg import Header

from jetson_perception.ros.image_messages import stamp_ns
from jetson_perception.ros.replay import Replay
from jetson_perception.ros.stamps import StampCheck, clock_problem

DAY_S = 86_400
ROSOUT = QoSProfile(
    depth=50,
    reliability=QoSReliabilityPolicy.RELIABLE,
    durability=QoSDurabilityPolicy.TRANSIENT_LOCAL,
)


@pytest.fixture
def simulation():
    """Another node, which publishes /clock."""
    with closing(Peer(name='simulation')) as made:
        yield made


class Camera:
    """Images of a camera whose clock differs, as the node receives them."""

    def __init__(self, node):
        self._node = node
        self.check = StampCheck(node, '/camera/image_raw')

    def age_ms(self, behind_s=0.0, stamp_s=None):
        """The age of an image that is now received; None where it is not known."""
        now_ns = self._node.get_clock().now().nanoseconds
        stamp = now_ns - int(behind_s * 1e9) if stamp_s is None else int(stamp_s * 1e9)
        header = Header(stamp=Time(nanoseconds=stamp).to_msg())
        age_ms = (now_ns - stamp_ns(header)) / 1e6 if stamp else None
        return self.check.age_ms(header, age_ms)


@pytest.mark.parametrize('behind_s', [-0.015, 0.0, 0.03, 9.9])
def test_of_clocks_that_agree(peer, behind_s):
    camera = Camera(peer.node)
    assert camera.age_ms(behind_s) == pytest.approx(behind_s * 1000)
    assert camera.check.problem() == ''


@pytest.mark.parametrize(
    ('behind_s', 'told'),
    [
        pytest.param(
            3 * 365 * DAY_S,
            ["1095 days behind this machine's clock", '`ros2 bag play --clock`', 'use_sim_time'],
            id='recording',
        ),
        pytest.param(
            12.0,
            ["12.0 s behind this machine's clock", 'synchronize the clocks'],
            id='host_behind',
        ),
        pytest.param(
            -9.997,
            ["10.0 s ahead of this machine's clock", 'synchronize the clocks'],
            id='host_ahead',
        ),
        pytest.param(-0.05, ['50 ms ahead of'], id='host_a_little_ahead'),
        pytest.param(300.0, ['5.0 min behind'], id='minutes'),
        pytest.param(-3 * 3600.0, ['3.0 h ahead of'], id='hours'),
    ],
)
def test_of_another_clock_is_not_counted_and_reported_with_advice(peer, behind_s, told):
    camera = Camera(peer.node)
    assert camera.age_ms(behind_s) is None
    text = camera.check.problem()
    assert text.startswith('stamps of the images on /camera/image_raw are ')
    assert 'latency is not known' in text
    for part in told:
        assert part in text
    assert camera.age_ms(0.01) is not None
    assert camera.check.problem() == ''


def test_of_simulated_time_where_the_node_has_the_systems(peer):
    camera = Camera(peer.node)
    assert camera.age_ms(stamp_s=12.5) is None
    assert camera.check.problem().endswith(
        'they are of simulated time: start this node with use_sim_time:=true'
    )


def test_of_an_image_without_a_stamp(peer):
    camera = Camera(peer.node)
    assert camera.age_ms(stamp_s=0) is None
    assert 'images on /camera/image_raw have no stamp' in camera.check.problem()


def test_each_kind_is_logged_once(peer, simulation):
    lines = simulation.collect('/rosout', Log, ROSOUT)
    camera = Camera(peer.node)
    for behind_s in (12.0, 13.0, -5.0, 0.0, 14.0, -6.0):
        camera.age_ms(behind_s)
    camera.age_ms(stamp_s=0)
    peer.node.get_logger().warning('the end')

    def said():
        return [line.msg for line in lines if line.name == f'{peer.namespace}.peer']

    simulation.wait_for(lambda: 'the end' in said(), 'the last line')
    behind, ahead, without, _ = said()
    assert ' 12.0 s behind ' in behind
    assert ' 5.0 s ahead of ' in ahead
    assert 'have no stamp' in without


class TestReplay:
    """Stamps that are behind, of publishers that say what they read, or nothing."""

    @pytest.mark.parametrize(
        ('sources', 'level', 'words'),
        [
            pytest.param(
                ['bag:///drive'],
                20,
                'have the stamps of a recording of 1095 days ago, so latency is not known',
                id='of_ours',
            ),
            pytest.param(['v4l2:///dev/video0'], 30, '1095 days behind', id='camera'),
            pytest.param(['bag:///drive', ''], 30, '1095 days behind', id='and_another'),
            pytest.param([''], 30, '1095 days behind', id='not_of_ours'),
        ],
    )
    def test_it_is_told_by_who_sends(self, peer, simulation, sources, level, words):
        lines = simulation.collect('/rosout', Log, ROSOUT)
        senders = []
        with ExitStack() as stack:
            for number, source in enumerate(sources):
                sender = stack.enter_context(closing(Peer(peer.namespace, f'sender{number}')))
                sender.image_publisher('camera')
                name = f'/{peer.namespace}/sender{number}: source'
                values = [KeyValue(key='source', value=source)]
                status = DiagnosticStatus(name=name, values=values if source else [])
                said = sender.node.create_publisher(DiagnosticArray, '/diagnostics', 10)
                beat = DiagnosticArray(status=[status])
                sender.node.create_timer(0.2, partial(said.publish, beat))
                senders.append(sender)
            # Who says nothing is not waited for in a test.
            replay = Replay(peer.node, listen_s=30.0 if all(sources) else 0.1)
            stack.callback(replay.close)
            replay.topic = f'/{peer.namespace}/camera'
            check = StampCheck(peer.node, replay.topic, replay)
            behind_ms = 3 * 365 * DAY_S * 1e3
            stamp = Time(nanoseconds=time.time_ns() - int(behind_ms * 1e6)).to_msg()
            assert check.age_ms(Header(stamp=stamp), behind_ms) is None, 'the only image'

            def told():
                for sender in senders:
                    sender.listen_once(0.01)
                peer.listen_once(0.05)
                return [line for line in lines if 'latency is not known' in line.msg]

            simulation.wait_for(told, 'the line')
            (line,) = told()
            assert words in line.msg
            assert line.level == level
            assert words in check.problem()
            assert check.age_ms(Header(), 5.0) == 5.0
            assert (check.problem(), replay.known) == ('', None)


class TestSimulatedTime:
    @pytest.fixture
    def simulated(self, peer):
        peer.node.set_parameters([Parameter('use_sim_time', value=True)])
        return peer

    def tick(self, simulation, simulated, seconds):
        clock = simulation.node.create_publisher(Clock, '/clock', 10)

        def ticked():
            clock.publish(Clock(clock=Time(nanoseconds=int(seconds * 1e9)).to_msg()))
            simulated.listen_once(0.05)
            return simulated.node.get_clock().now().nanoseconds

        simulation.wait_for(ticked, 'the time of /clock')

    def test_without_clock_it_is_that_which_is_missing(self, simulated):
        camera = Camera(simulated.node)
        for stamp_s in (time.time(), 0):
            assert camera.age_ms(stamp_s=stamp_s) is None
            assert camera.check.problem().startswith(
                'use_sim_time is set, but nobody publishes /clock, so time stands at 0: '
            )
        assert clock_problem(simulated.node) in camera.check.problem()

    def test_nothing_is_measured_while_the_clock_stands_still(self, simulated, simulation):
        simulation.node.create_publisher(Clock, '/clock', 10)
        simulated.wait_for(lambda: simulated.node.count_publishers('/clock'), 'the publisher')
        assert 'nothing comes on /clock' in clock_problem(simulated.node)

    def test_with_clock_ages_are_by_it(self, simulated, simulation):
        self.tick(simulation, simulated, 100.0)
        assert clock_problem(simulated.node) == ''
        camera = Camera(simulated.node)
        assert camera.age_ms(0.5) == pytest.approx(500)
        assert camera.age_ms(stamp_s=time.time()) is None
        assert ' days ahead of /clock, so ' in camera.check.problem()
        assert 'start their publisher with use_sim_time too' in camera.check.problem()


def test_without_simulated_time_no_clock_is_missed(peer):
    assert clock_problem(peer.node) == ''
