"""By which way images come from a publisher."""

import os
from pathlib import Path

import pytest

from jetson_perception.dds.guids import Guid
from jetson_perception.dds.segments import Segment
from jetson_perception.dds.ways import way_from

LARGE, SMALL = 16 << 20, 549_408
STOCK, RAISED = 212_992, 4 << 20
OWN_PID, THEIR_PID = 300, 70_000
UID = os.getuid()


def guid(pid=THEIR_PID, host=b'\x78\xfd', vendor=b'\x01\x0f', chance=b'\x01\x02'):
    return Guid(vendor + host + (pid % 65536).to_bytes(2, 'little') + chance + bytes(8))


def segment(nbytes=LARGE, pid=THEIR_PID, uid=UID, *, readable=True):
    return Segment(Path('/dev/shm/fastrtps_x'), nbytes, uid, pid, readable)


OWN = guid(OWN_PID)


def test_nobody_publishes():
    assert way_from([], OWN, [], receive_limit=RAISED) == (False, '')


@pytest.mark.parametrize('limit', [STOCK, RAISED, None])
@pytest.mark.parametrize(
    'publisher',
    [
        pytest.param(guid(host=b'\x11\x11'), id='another_host'),
        pytest.param(guid(vendor=b'\x01\x10'), id='cyclone'),
        pytest.param(Guid(b''), id='no_id'),
        pytest.param(OWN, id='own_process'),
    ],
)
def test_who_offers_no_shared_memory_needs_no_other_way(publisher, limit):
    assert not way_from([publisher], OWN, [], receive_limit=limit).over_udp


@pytest.mark.parametrize(
    ('known', 'limit', 'reason'),
    [
        pytest.param([segment()], RAISED, '', id='large'),
        pytest.param([segment(SMALL), segment()], RAISED, '', id='one_of_two_large'),
        pytest.param([segment(SMALL)], RAISED, '0.5 MB', id='small'),
        # Less arrives over UDP than through any segment.
        pytest.param([segment(SMALL)], STOCK, '', id='small_and_small_sockets'),
        pytest.param([], RAISED, 'not to be seen', id='container'),
        pytest.param([], STOCK, 'not to be seen', id='container_and_small_sockets'),
        pytest.param([segment(pid=None)], RAISED, 'not to be seen', id='dead_or_foreign'),
        pytest.param([segment(pid=THEIR_PID + 1)], RAISED, 'not to be seen', id='other_process'),
        pytest.param([segment(readable=False)], STOCK, 'another user', id='user'),
        pytest.param([segment(uid=UID + 1)], STOCK, 'another user', id='user_of_root'),
    ],
)
def test_a_publisher_of_this_host(known, limit, reason):
    way = way_from([guid()], OWN, known, receive_limit=limit)
    assert way.over_udp == bool(reason)
    assert reason in way.reason


def test_one_of_two_publishers_decides():
    other = guid(pid=4711)
    assert way_from([guid(), other], OWN, [segment()], receive_limit=RAISED).over_udp
    both = [segment(), segment(pid=4711)]
    assert not way_from([guid(), other], OWN, both, receive_limit=RAISED).over_udp
