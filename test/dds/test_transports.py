"""Which transports a process takes, by what the user has set and what there is."""

from xml.etree import ElementTree

import pytest

from jetson_perception.dds import transports
from jetson_perception.dds.fast_dds import FastDds, fast_dds, set_by_user
from jetson_perception.dds.transports import MEBIBYTE, choose

JAZZY = {'ROS_DISTRO': 'jazzy'}
LOCALHOST = {'ROS_AUTOMATIC_DISCOVERY_RANGE': 'LOCALHOST'}
GIBIBYTE = 1 << 30


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    """The working folder, without a profile; temporary files go there too."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr('tempfile.tempdir', str(tmp_path))
    return tmp_path


def chosen(environ, free_bytes=GIBIBYTE, segment_bytes=16 * MEBIBYTE):
    return choose(segment_bytes, environ, free_bytes=free_bytes)


class TestNothingIsChanged:
    @pytest.mark.parametrize(
        ('environ', 'why'),
        [
            ({}, 'the middleware chooses'),
            ({'JETSON_PERCEPTION_TRANSPORT': 'system'}, 'JETSON_PERCEPTION_TRANSPORT says'),
            (
                {'RMW_IMPLEMENTATION': 'rmw_cyclonedds_cpp', 'CYCLONEDDS_URI': '/my.xml'},
                'rmw_cyclonedds_cpp chooses',
            ),
            (
                {'RMW_IMPLEMENTATION': 'rmw_cyclonedds_cpp', 'ROS_DISTRO': 'humble'},
                'rmw_cyclonedds_cpp chooses',
            ),
            ({'RMW_IMPLEMENTATION': 'rmw_zenoh_cpp'}, 'rmw_zenoh_cpp chooses'),
            ({'FASTDDS_BUILTIN_TRANSPORTS': 'LARGE_DATA'}, 'FASTDDS_BUILTIN_TRANSPORTS says'),
            ({'FASTRTPS_DEFAULT_PROFILES_FILE': '/x.xml'}, 'FASTRTPS_DEFAULT_PROFILES_FILE says'),
            ({'FASTDDS_DEFAULT_PROFILES_FILE': '/x.xml'}, 'FASTDDS_DEFAULT_PROFILES_FILE says'),
            (
                {'ROS_AUTOMATIC_DISCOVERY_RANGE': 'LOCALHOST', 'ROS_STATIC_PEERS': '10.0.0.1'},
                'ROS_STATIC_PEERS',
            ),
        ],
    )
    def test_where_something_else_decides(self, environ, why):
        taken = chosen(environ if not environ or 'RMW' in str(environ) else JAZZY | environ)
        assert (taken.environment, taken.udp_alone, taken.profile) == ({}, {}, None)
        assert why in taken.description

    @pytest.mark.parametrize(
        'name', ['DEFAULT_FASTRTPS_PROFILES.xml', 'DEFAULT_FASTDDS_PROFILES.xml']
    )
    def test_where_a_profile_lies_in_the_working_folder(self, folder, name):
        (folder / name).touch()
        assert set_by_user({}) == name
        assert chosen(JAZZY).environment == {}
        assert set_by_user({'SKIP_DEFAULT_XML': '1'}) == ''

    @pytest.mark.parametrize('environ', [JAZZY | LOCALHOST, {'ROS_DISTRO': 'humble'}])
    def test_where_no_profile_can_be_written(self, monkeypatch, environ):
        monkeypatch.setattr('tempfile.tempdir', '/missing')
        taken = chosen(environ)
        assert (taken.environment, taken.udp_alone, taken.profile) == ({}, {}, None)
        assert 'its profile cannot be written: ' in taken.description

    def test_a_working_folder_that_was_removed_holds_none(self, folder, monkeypatch):
        gone = folder / 'gone'
        gone.mkdir()
        monkeypatch.chdir(gone)
        gone.rmdir()
        assert set_by_user({}) == ''

    def test_an_empty_variable_sets_nothing(self):
        assert set_by_user({'FASTRTPS_DEFAULT_PROFILES_FILE': ''}) == ''


def test_cyclone_dds_gets_sockets_that_hold_an_image():
    taken = chosen(JAZZY | {'RMW_IMPLEMENTATION': 'rmw_cyclonedds_cpp'})
    assert set(taken.environment) == {'CYCLONEDDS_URI'}
    internal = ElementTree.fromstring(taken.environment['CYCLONEDDS_URI']).find('Domain/Internal')
    assert {each.tag: each.get('max') for each in internal} == {
        'SocketReceiveBufferSize': '4096 KiB',
        'SocketSendBufferSize': '4096 KiB',
    }
    assert (taken.udp_alone, taken.profile) == ({}, None)
    assert taken.description.startswith('Cyclone DDS over UDP (sockets hold ')


def test_no_release_is_known_of_a_prefix_that_cannot_be_looked_at():
    long = f'/{"a" * 5000}'
    assert fast_dds({'AMENT_PREFIX_PATH': long}) is None
    assert fast_dds({'AMENT_PREFIX_PATH': long, 'ROS_DISTRO': 'humble'}) == FastDds(2, 6)


class TestJazzy:
    def test_shared_memory_and_udp(self):
        taken = chosen(JAZZY)
        transports_variable = taken.environment.pop('FASTDDS_BUILTIN_TRANSPORTS')
        assert transports_variable == f'DEFAULT?sockets_size={8 * MEBIBYTE}&non_blocking=true'
        assert set(taken.environment.values()) == {str(taken.profile)}
        assert taken.udp_alone['FASTDDS_BUILTIN_TRANSPORTS'].startswith('UDPv4?sockets_size=')
        assert 'shared memory (16 MB)' in taken.description

    def test_a_small_shm_gives_a_quarter(self):
        taken = chosen(JAZZY, free_bytes=48 * MEBIBYTE)
        assert f'sockets_size={6 * MEBIBYTE}' in taken.environment['FASTDDS_BUILTIN_TRANSPORTS']

    @pytest.mark.parametrize('free_mb', [0, 1, 31])
    def test_too_small_a_shm_leaves_udp(self, free_mb):
        taken = chosen(JAZZY, free_bytes=free_mb * MEBIBYTE)
        assert taken.environment['FASTDDS_BUILTIN_TRANSPORTS'].startswith('UDPv4?')
        assert taken.udp_alone == {}
        assert '/dev/shm has' in taken.description

    def test_the_profile_changes_only_how_often_it_announces_itself(self):
        text = chosen(JAZZY).profile.read_text()
        assert '<leaseAnnouncement><sec>1</sec></leaseAnnouncement>' in text
        assert 'ransport' not in text
        assert 'ocator' not in text

    def test_where_no_profile_can_be_written_it_goes_without(self, monkeypatch):
        monkeypatch.setattr('tempfile.tempdir', '/missing')
        taken = chosen(JAZZY)
        assert list(taken.environment) == ['FASTDDS_BUILTIN_TRANSPORTS']
        assert taken.profile is None

    @pytest.mark.parametrize(
        'environ',
        [
            {'ROS_AUTOMATIC_DISCOVERY_RANGE': 'LOCALHOST'},
            {'ROS_AUTOMATIC_DISCOVERY_RANGE': 'SUBNET', 'ROS_LOCALHOST_ONLY': '1'},
        ],
        ids=['range', 'localhost_only'],
    )
    def test_discovery_of_this_host_alone(self, environ):
        taken = chosen(JAZZY | environ | {'ROS_DOMAIN_ID': '3'})
        assert taken.environment['ROS_AUTOMATIC_DISCOVERY_RANGE'] == 'SYSTEM_DEFAULT'
        assert taken.environment['ROS_LOCALHOST_ONLY'] == ''
        assert taken.environment['FASTRTPS_DEFAULT_PROFILES_FILE'] == str(taken.profile)
        text = taken.profile.read_text()
        # The first and the last of 32 participants of domain 3: RTPS 9.6.1.1.
        assert '<port>8160</port>' in text
        assert '<port>8222</port>' in text
        assert '<leaseAnnouncement><sec>1</sec></leaseAnnouncement>' in text
        assert '239.' not in text

    @pytest.mark.parametrize('domain', ['x', '-1', '233', '٣'])
    def test_a_domain_that_is_none(self, domain):
        environ = {'ROS_AUTOMATIC_DISCOVERY_RANGE': 'LOCALHOST', 'ROS_DOMAIN_ID': domain}
        assert chosen(JAZZY | environ).environment == {}


def test_humble_has_a_profile_instead():
    taken = chosen({'ROS_DISTRO': 'humble'})
    assert set(taken.environment.values()) == {str(taken.profile)}
    assert taken.udp_alone == {}
    text = taken.profile.read_text()
    assert f'<segment_size>{16 * MEBIBYTE}</segment_size>' in text
    assert '<non_blocking_send>true</non_blocking_send>' in text
    assert '<leaseAnnouncement><sec>1</sec></leaseAnnouncement>' in text


@pytest.mark.parametrize(
    ('library', 'release'),
    [
        ('lib/libfastrtps.so.2.14.5', FastDds(2, 14)),
        ('lib/aarch64-linux-gnu/libfastrtps.so.2.6', FastDds(2, 6)),
        ('lib/libfastdds.so.3.2', FastDds(3, 2)),
        ('lib/libfastcdr.so.2.2', None),
    ],
)
def test_the_library_tells_its_release(folder, library, release):
    path = folder / library
    path.parent.mkdir(parents=True)
    path.touch()
    assert fast_dds({'AMENT_PREFIX_PATH': f':/missing:{folder}'}) == release


def test_a_taken_profile_is_removed(monkeypatch):
    for name in ('FASTDDS_BUILTIN_TRANSPORTS', 'FASTRTPS_DEFAULT_PROFILES_FILE'):
        monkeypatch.setenv(name, '')
    for name in ('FASTDDS_DEFAULT_PROFILES_FILE', 'ROS_LOCALHOST_ONLY', 'RMW_IMPLEMENTATION'):
        monkeypatch.setenv(name, '')
    monkeypatch.setenv('ROS_DISTRO', 'jazzy')
    monkeypatch.setenv('ROS_DOMAIN_ID', '5')
    monkeypatch.setenv('ROS_AUTOMATIC_DISCOVERY_RANGE', 'LOCALHOST')
    monkeypatch.setattr(transports, '_taken', None)
    assert transports.udp_alone() == {}, 'discovery would have had to be set before'
    taken = transports.take(16 * MEBIBYTE)
    assert transports.udp_alone() == taken.udp_alone != {}
    transports.forget_profile()
    transports.forget_profile()
    assert not taken.profile.exists()


def test_a_profile_is_taken_also_without_shared_memory():
    environ = {'ROS_AUTOMATIC_DISCOVERY_RANGE': 'LOCALHOST', 'ROS_DOMAIN_ID': '5'}
    taken = chosen(JAZZY | environ, free_bytes=0)
    assert str(taken.profile) in taken.environment.values(), 'else nobody removes the file'


@pytest.mark.parametrize('distribution', ['humble', 'jazzy'])
def test_asking_for_udp_alone_writes_no_profile(monkeypatch, folder, distribution):
    monkeypatch.setattr(transports, '_taken', None)
    for name in ('FASTDDS_BUILTIN_TRANSPORTS', 'FASTRTPS_DEFAULT_PROFILES_FILE'):
        monkeypatch.setenv(name, '')
    for name in ('FASTDDS_DEFAULT_PROFILES_FILE', 'ROS_LOCALHOST_ONLY', 'RMW_IMPLEMENTATION'):
        monkeypatch.setenv(name, '')
    for name in ('AMENT_PREFIX_PATH', 'ROS_AUTOMATIC_DISCOVERY_RANGE'):
        monkeypatch.setenv(name, '')
    monkeypatch.setenv('ROS_DISTRO', distribution)
    assert bool(transports.udp_alone()) == (distribution == 'jazzy')
    assert not list(folder.iterdir())


def test_udp_alone_is_not_what_a_user_has_set_otherwise(monkeypatch):
    monkeypatch.setattr(transports, '_taken', None)
    for name in ('FASTDDS_DEFAULT_PROFILES_FILE', 'ROS_LOCALHOST_ONLY', 'RMW_IMPLEMENTATION'):
        monkeypatch.setenv(name, '')
    for name in ('AMENT_PREFIX_PATH', 'ROS_AUTOMATIC_DISCOVERY_RANGE'):
        monkeypatch.setenv(name, '')
    monkeypatch.setenv('ROS_DISTRO', 'jazzy')
    monkeypatch.setenv('FASTDDS_BUILTIN_TRANSPORTS', 'LARGE_DATA')
    assert transports.udp_alone() == {}
