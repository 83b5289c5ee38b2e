"""From what is known of a topic to the cause of its losses, and what mends it."""

import pytest

from jetson_perception.dds.findings import Cause
from jetson_perception.dds.input_facts import InputFacts, Memory, Publisher
from jetson_perception.dds.losses import judge

IMAGE = 1280 * 720 * 3
LARGE = {
    'image_bytes': IMAGE,
    'rate_hz': 30.0,
    'receive_limit': 4 << 20,
    'socket_bytes': 4 << 20,
    'socket_drops': 0,
    'shared_memory_bytes': 8 << 30,
    'shared_memory_free_bytes': 8 << 30,
}
LOSING = {'received': 40, 'lost': 110, 'ever': True}
SILENT = {'silent': True}


def publisher(memory=Memory.OPEN, segment_bytes=64 << 20, *, same_host=True, **facts):
    return Publisher(
        '/camera', same_host=same_host, memory=memory, segment_bytes=segment_bytes, **facts
    )


def facts(*publishers, **known):
    return InputFacts('/cam', publishers, **(LARGE | known))


SMALL_SEGMENT = publisher(segment_bytes=549_408)
OTHER_TYPE = publisher(mismatch='/camera sends another type', mismatch_cure='remap image')
FAR = publisher(Memory.UNKNOWN, 0, same_host=False)
OTHER_DDS = publisher(Memory.UNKNOWN, 0, same_host=None)
STOCK = {'receive_limit': 212_992, 'socket_bytes': 212_992, 'socket_drops': 900}
#: What a reliable subscription loses, as it all arrives in the end.
HERE = {'reliable': True, 'lost_here': 110}
FULL = {'shared_memory_bytes': 64 << 20, 'shared_memory_free_bytes': 1 << 20}


@pytest.mark.parametrize(
    ('known', 'cause'),
    [
        pytest.param(facts(**SILENT), Cause.NO_PUBLISHER, id='nobody'),
        pytest.param(
            facts(**SILENT, elsewhere=('domain 7 has participants on this host',)),
            Cause.DISCOVERY,
            id='another_domain',
        ),
        pytest.param(facts(OTHER_TYPE, **SILENT), Cause.MISMATCH, id='mismatch'),
        pytest.param(facts(publisher(), **SILENT), Cause.SILENT, id='silent'),
        pytest.param(
            facts(SMALL_SEGMENT, **SILENT), Cause.SILENT, id='silent_and_without_a_profile'
        ),
        pytest.param(facts(FAR, **SILENT), Cause.SILENT, id='silent_and_far'),
        pytest.param(facts(SMALL_SEGMENT, **LOSING), Cause.SEGMENT_SMALL, id='small_segment'),
        pytest.param(
            facts(publisher(), **LOSING, **HERE), Cause.SLOW_TAKING, id='slow_and_reliable'
        ),
        pytest.param(
            facts(SMALL_SEGMENT, **LOSING, **HERE), Cause.SEGMENT_SMALL, id='sent_again_by_memory'
        ),
        pytest.param(
            facts(OTHER_DDS, **LOSING, **(HERE | STOCK), by_shared_memory=False),
            Cause.SOCKET_BUFFERS,
            id='sent_again_over_udp',
        ),
        pytest.param(
            facts(FAR, **LOSING, **HERE, torn=500), Cause.NETWORK, id='sent_again_from_afar'
        ),
        pytest.param(
            facts(SMALL_SEGMENT, **SILENT, lost=9, image_bytes=0),
            Cause.SEGMENT_SMALL,
            id='small_segment_and_all_lost',
        ),
        pytest.param(
            facts(publisher(Memory.ELSEWHERE, 0), **SILENT), Cause.NOT_SHARED, id='containers'
        ),
        pytest.param(facts(publisher(Memory.REFUSED), **SILENT), Cause.OTHER_USER, id='users'),
        pytest.param(
            facts(publisher(), **SILENT, stale_bytes=1000, stale_refused=True),
            Cause.STALE_FILES,
            id='stale_files_of_another_user',
        ),
        pytest.param(
            facts(publisher(Memory.NONE, 0), **LOSING, **FULL, stale_bytes=80 << 20),
            Cause.STALE_FILES,
            id='stale_files_fill_it',
        ),
        pytest.param(
            facts(publisher(Memory.NONE, 0), **LOSING, **FULL), Cause.NO_SPACE, id='small_dev_shm'
        ),
        pytest.param(
            InputFacts('/cam', (OTHER_DDS,), **(LARGE | LOSING | STOCK)),
            Cause.SOCKET_BUFFERS,
            id='other_dds',
        ),
        pytest.param(
            InputFacts('/cam', (FAR,), **(LARGE | LOSING | STOCK)),
            Cause.SOCKET_BUFFERS,
            id='far_and_dropped_here',
        ),
        pytest.param(
            InputFacts('/cam', (FAR,), **(LARGE | LOSING | {'socket_drops': 0})),
            Cause.NETWORK,
            id='far_and_not_dropped_here',
        ),
        pytest.param(
            facts(publisher(), **LOSING, lost_here=100), Cause.SLOW_TAKING, id='slow_taking'
        ),
        pytest.param(facts(publisher(), **LOSING), Cause.LOAD, id='nothing_explains_it'),
    ],
)
def test_a_cause_and_no_other(known, cause):
    (finding,) = judge(known)
    assert finding.cause is cause
    assert finding.found
    assert finding.cure


@pytest.mark.parametrize(
    'known',
    [
        pytest.param(facts(), id='nothing_known'),
        pytest.param(facts(SMALL_SEGMENT, received=10, ever=True), id='slow_by_itself'),
        pytest.param(facts(SMALL_SEGMENT, received=148, lost=2, ever=True), id='hardly_any'),
        pytest.param(facts(OTHER_TYPE, publisher(), received=150, ever=True), id='one_of_two'),
    ],
)
def test_nothing_is_said(known):
    assert judge(known) == []


@pytest.mark.parametrize(
    'lost', [pytest.param({}, id='on_the_way'), pytest.param(HERE, id='here')]
)
@pytest.mark.parametrize('middleware', ['rmw_fastrtps_cpp', 'rmw_zenoh_cpp'])
def test_load_is_not_blamed_for_losses_of_a_start(lost, middleware):
    begins = LOSING | lost | {'settled': False, 'middleware': middleware}
    assert judge(facts(publisher(), **begins)) == []
    assert judge(facts(publisher(), **begins, silent=True)) != []
    assert judge(facts(publisher(), **(begins | {'received': 0}))) != [], 'all are lost'


@pytest.mark.parametrize('sender', [publisher(Memory.NONE, 0), FAR], ids=['here', 'far'])
def test_images_larger_than_a_socket_get_the_line_that_makes_it_large_enough(sender):
    large = LOSING | {'socket_drops': 900, 'image_bytes': 20_000_000, 'by_shared_memory': False}
    (finding,) = judge(facts(sender, **large, settled=False))
    assert finding.cause is Cause.SOCKET_BUFFERS
    assert 'images of 20 MB' in finding.found
    assert 'net.core.rmem_max=33554432, and start this node again' in finding.cure
    (finding,) = judge(facts(sender, **(large | STOCK)))
    assert 'net.core.rmem_max=33554432' in finding.cure
    (finding,) = judge(facts(sender, **(large | {'socket_bytes': 32 << 20})))
    assert finding.cause is not Cause.SOCKET_BUFFERS


def test_what_is_seen_to_be_wrong_is_said_at_once():
    (finding,) = judge(facts(SMALL_SEGMENT, **LOSING, settled=False))
    assert finding.cause is Cause.SEGMENT_SMALL


@pytest.mark.parametrize('middleware', ['rmw_zenoh_cpp', 'rmw_of_tomorrow_cpp'])
class TestOfAnotherMiddlewareThanDds:
    @pytest.mark.parametrize(
        'known',
        [
            pytest.param(STOCK, id='small_sockets'),
            pytest.param(FULL, id='no_shared_memory'),
            pytest.param({'stale_refused': True, 'stale_bytes': 9 << 20}, id='stale_files'),
            pytest.param({'torn': 900}, id='fragments'),
            pytest.param({'by_shared_memory': False}, id='no_segment_of_our_own'),
        ],
    )
    @pytest.mark.parametrize(
        'sender',
        [
            pytest.param(OTHER_DDS, id='unknown_host'),
            # A random id may look like one of Fast DDS.
            pytest.param(publisher(Memory.ELSEWHERE, 0), id='by_chance_of_this_host'),
            pytest.param(FAR, id='by_chance_of_another_host'),
        ],
    )
    def test_nothing_of_dds_is_blamed(self, middleware, known, sender):
        (lost,) = judge(facts(sender, **(LOSING | known), middleware=middleware))
        (silent,) = judge(facts(sender, **(SILENT | known), middleware=middleware))
        assert (lost.cause, silent.cause) == (Cause.LOAD, Cause.SILENT)
        assert middleware in lost.found
        for word in ('shm', 'net.core', 'UDP', 'FAST', 'on the way'):
            assert word not in f'{lost} {silent}'

    def test_domains_are_not_spoken_of(self, middleware):
        (nobody,) = judge(facts(**SILENT, elsewhere=('domain 7',), middleware=middleware))
        assert nobody.cause is Cause.NO_PUBLISHER
        assert ('rmw_zenohd' in nobody.cure) == (middleware == 'rmw_zenoh_cpp')
