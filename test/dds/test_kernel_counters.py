"""What sockets hold and the kernel drops, of real sockets of this process."""

import socket

import pytest

from jetson_perception.dds import kernel_counters
from jetson_perception.dds.kernel_counters import KernelCounters
from jetson_perception.dds.own_sockets import own_sockets


@pytest.fixture
def receiver():
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as made:
        made.bind(('127.0.0.1', 0))
        yield made


def flood(receiver):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
        for _ in range(100):
            sender.sendto(bytes(1000), receiver.getsockname())


def test_how_much_a_socket_holds(receiver):
    receiver.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 40_000)
    before = own_sockets().nbytes
    assert before is not None
    assert before >= 40_000
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as larger:
        larger.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, before + 1000)
        limit = larger.getsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF) // 2
        assert own_sockets().nbytes == max(before, limit)


def test_drops_at_own_sockets_are_counted(receiver):
    receiver.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4000)
    counters = KernelCounters(seconds=2)
    assert (counters.drops, counters.torn) == (None, 0)
    counters.second_passed()
    assert counters.drops == 0
    flood(receiver)
    counters.second_passed()
    assert counters.drops >= 50
    for _ in range(2):
        counters.second_passed()
    assert counters.drops == 0


@pytest.mark.parametrize(
    ('text', 'torn'),
    [
        pytest.param('Ip: ReasmReqds ReasmOKs\nIp: 1000 10\n', 550, id='others_were_lost'),
        pytest.param('Ip: ReasmReqds ReasmOKs\nIp: 450 10\n', 0, id='all_whole'),
        pytest.param('', 0, id='empty'),
        pytest.param('Ip: ReasmReqds\n', 0, id='cut_off'),
    ],
)
def test_fragments_without_the_rest(tmp_path, monkeypatch, text, torn):
    table = tmp_path / 'snmp'
    table.write_text('Ip: ReasmReqds ReasmOKs\nIp: 0 0\n')
    monkeypatch.setattr(kernel_counters, '_SNMP', table)
    counters = KernelCounters()
    counters.second_passed()
    table.write_text(text)
    counters.second_passed()
    assert counters.torn == torn
