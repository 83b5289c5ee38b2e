"""Which transport brings the most images from their publishers."""

import pytest

from jetson_perception.dds import best_transport as module
from jetson_perception.dds.best_transport import best_transport
from jetson_perception.dds.guids import Guid
from jetson_perception.dds.input_facts import Memory
from jetson_perception.dds.publisher_memory import PublisherMemory

LARGE, SMALL = 16 << 20, 549_408
STOCK, RAISED = 212_992, 4 << 20
OWN_PID, THEIR_PID = 300, 4711


def guid(pid=THEIR_PID, host=b'\x78\xfd', vendor=b'\x01\x0f', chance=b'\x01\x02'):
    return Guid(vendor + host + (pid % 65536).to_bytes(2, 'little') + chance + bytes(8))


OWN = guid(OWN_PID)


def test_nobody_publishes():
    assert best_transport([], OWN, [], receive_limit=RAISED) == (False, '')


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
def test_who_offers_no_shared_memory_needs_no_other_transport(publisher, limit):
    assert not best_transport([publisher], OWN, [], receive_limit=limit).over_udp


@pytest.fixture
def see(monkeypatch):
    """Sets what is seen of the shared memory of each publisher, by its process id."""

    def seen(**found):
        def memory_of(publisher, own, known):
            return PublisherMemory(*found[f'pid_{publisher.pid_modulo}'])

        monkeypatch.setattr(module, 'memory_of', memory_of)

    return seen


@pytest.mark.parametrize(
    ('memory', 'nbytes', 'limit', 'reason'),
    [
        pytest.param(Memory.OPEN, LARGE, RAISED, '', id='large'),
        pytest.param(Memory.OPEN, SMALL, RAISED, '0.5 MB', id='small'),
        # Less arrives over UDP than through any segment.
        pytest.param(Memory.OPEN, SMALL, STOCK, '', id='small_and_small_sockets'),
        pytest.param(Memory.ELSEWHERE, 0, RAISED, 'not to be seen', id='container'),
        pytest.param(Memory.ELSEWHERE, 0, STOCK, 'not to be seen', id='container_small_sockets'),
        pytest.param(Memory.UNKNOWN, 0, STOCK, 'not to be seen', id='unknown'),
        pytest.param(Memory.REFUSED, LARGE, STOCK, 'another user', id='user'),
        pytest.param(Memory.NONE, 0, RAISED, '', id='none_at_all'),
    ],
)
def test_a_publisher_of_this_host(see, memory, nbytes, limit, reason):
    see(pid_4711=(memory, nbytes))
    found = best_transport([guid()], OWN, [], receive_limit=limit)
    assert found.over_udp == bool(reason)
    assert reason in found.reason


@pytest.mark.parametrize(
    ('image_bytes', 'limit', 'reason'),
    [
        pytest.param(8 << 20, RAISED, '', id='holds_two'),
        pytest.param(LARGE, RAISED, '', id='holds_one'),
        pytest.param(24 << 20, RAISED, '16.0 MB, too little for images of 24.0 MB', id='larger'),
        pytest.param(24 << 20, STOCK, '', id='larger_and_small_sockets'),
    ],
)
def test_a_segment_holds_at_least_one_image(see, image_bytes, limit, reason):
    see(pid_4711=(Memory.OPEN, LARGE))
    found = best_transport([guid()], OWN, [], receive_limit=limit, image_bytes=image_bytes)
    assert found.over_udp == bool(reason)
    assert reason in found.reason


def test_one_of_two_publishers_decides(see):
    both = [guid(), guid(4712)]
    see(pid_4711=(Memory.OPEN, LARGE), pid_4712=(Memory.OPEN, SMALL))
    assert best_transport(both, OWN, [], receive_limit=RAISED).over_udp
    see(pid_4711=(Memory.OPEN, LARGE), pid_4712=(Memory.OPEN, LARGE))
    assert not best_transport(both, OWN, [], receive_limit=RAISED).over_udp
