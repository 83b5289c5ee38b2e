"""Ids of endpoints, as Fast DDS makes them and as others do."""

import pytest

from jetson_perception.dds.guids import Guid

FAST_DDS = bytes.fromhex('010f 78fd d303 abb4 00000000 00001303')
SAME_PROCESS = bytes.fromhex('010f 78fd d303 abb4 01000000 00000404')
SAME_HOST = bytes.fromhex('010f 78fd d403 0cca 00000000 00001303')
OTHER_HOST = bytes.fromhex('010f 1234 d303 abb4 00000000 00001303')
CYCLONE = bytes.fromhex('0110 78fd d303 abb4 00000000 00001303')


@pytest.mark.parametrize('data', [b'', b'\x01\x0f', bytes(16), CYCLONE])
def test_an_id_of_another_dds_tells_nothing(data):
    other = Guid(data)
    assert not other.of_fast_dds
    assert not other.on_host_of(Guid(FAST_DDS))
    assert not Guid(FAST_DDS).on_host_of(other)
    assert not other.on_host_of(other)


def test_host_and_process():
    guid = Guid(FAST_DDS)
    assert guid.of_fast_dds
    assert guid.pid_modulo == 979
    assert guid.on_host_of(Guid(SAME_HOST))
    assert not guid.in_process_of(Guid(SAME_HOST))
    assert guid.in_process_of(Guid(SAME_PROCESS))
    assert guid.participant != Guid(SAME_PROCESS).participant
    assert not guid.on_host_of(Guid(OTHER_HOST))
    assert not guid.in_process_of(Guid(OTHER_HOST))
