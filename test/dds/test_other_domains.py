"""Participants of this host that cannot be discovered, from the ports and variables they have."""

import pytest

from jetson_perception.dds.other_domains import undiscovered

HEADER = '  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid\n'


def line(port, inode):
    queues = '00000000:00000000 00:00000000 00000000'
    return f' 1: 00000000:{port:04X} 00000000:0000 07 {queues} 0 0 {inode} 2 0000 0\n'


@pytest.fixture
def proc(tmp_path):
    """Makes a /proc with a table of sockets and one process that has the socket 11."""

    def make(*lines, environ=''):
        (tmp_path / 'net').mkdir()
        (tmp_path / 'net/udp').write_text(HEADER + ''.join(lines))
        (tmp_path / '77/fd').mkdir(parents=True)
        (tmp_path / '77/fd/3').symlink_to('socket:[11]')
        (tmp_path / '77/comm').write_text('my_camera\n')
        (tmp_path / '77/environ').write_text(environ)
        return tmp_path

    return make


PARTICIPANT = line(7400 + 250 * 7 + 10, 11), line(7400 + 250 * 7 + 11, 12)


@pytest.mark.parametrize(
    ('lines', 'domain', 'told'),
    [
        pytest.param([], 0, (), id='none'),
        pytest.param(PARTICIPANT, 7, (), id='the_same_domain'),
        pytest.param(
            PARTICIPANT,
            0,
            (
                'ROS_DOMAIN_ID is 0 here, but on this host 7 has 1 participant (such as '
                'my_camera, pid 77)',
            ),
            id='another_domain',
        ),
        pytest.param(
            [*PARTICIPANT, line(9162, 13), line(9163, 14)],
            0,
            (
                'ROS_DOMAIN_ID is 0 here, but on this host 7 has 2 participants (such as '
                'my_camera, pid 77)',
            ),
            id='two_of_a_domain',
        ),
        pytest.param(
            [*PARTICIPANT, line(7400 + 250 * 9 + 10, 13), line(7400 + 250 * 9 + 11, 14)],
            0,
            (
                'ROS_DOMAIN_ID is 0 here, but on this host 7 has 1 participant (such as '
                'my_camera, pid 77) and 9 has 1 participant',
            ),
            id='two_other_domains',
        ),
        pytest.param([line(9160, 11)], 0, (), id='a_port_of_something_else'),
        pytest.param([line(80, 11), line(81, 12)], 0, (), id='ports_below'),
        pytest.param(['garbage\n'], 0, (), id='garbage'),
    ],
)
def test_by_ports(proc, lines, domain, told):
    assert undiscovered(domain, proc(*lines)) == told


OFF = ('my_camera, pid 77 has ROS_AUTOMATIC_DISCOVERY_RANGE=OFF',)


@pytest.mark.parametrize(
    ('environ', 'told'),
    [
        pytest.param('', (), id='not_set'),
        pytest.param('A=1\0ROS_AUTOMATIC_DISCOVERY_RANGE=OFF\0', OFF, id='off'),
        pytest.param('ROS_AUTOMATIC_DISCOVERY_RANGE=off', OFF, id='lower_case'),
        pytest.param('ROS_AUTOMATIC_DISCOVERY_RANGE=SUBNET\0', (), id='subnet'),
        pytest.param('MY_ROS_AUTOMATIC_DISCOVERY_RANGE=OFF\0', (), id='another_name'),
        pytest.param('ROS_AUTOMATIC_DISCOVERY_RANGE\0OFF', (), id='garbage'),
    ],
)
def test_discovery_that_is_off(proc, environ, told):
    assert undiscovered(7, proc(*PARTICIPANT, environ=environ)) == told


def test_a_process_that_may_not_be_looked_at(proc):
    made = proc(*PARTICIPANT)
    (made / '77/environ').unlink()
    assert undiscovered(7, made) == ()
