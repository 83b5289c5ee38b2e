"""What systemd would hear, through a socket as its own."""

from __future__ import annotations

import resource
import socket
from contextlib import closing

import pytest

from jetson_perception.process.service_manager import tell_service_manager


def heard(listener):
    return listener.recv(10_000).decode().splitlines()


def test_nobody_asks(monkeypatch):
    monkeypatch.delenv('NOTIFY_SOCKET', raising=False)
    tell_service_manager('active', is_well=True)


@pytest.mark.parametrize('address', ['', 'relative', '/not/there', '@nobody', '/' + 'x' * 500])
def test_nobody_listens(monkeypatch, address):
    monkeypatch.setenv('NOTIFY_SOCKET', address)
    tell_service_manager('active', is_well=True)


def test_a_process_that_is_well(systemd):
    tell_service_manager('active', is_well=True)
    assert heard(systemd) == ['READY=1', 'STATUS=active', 'WATCHDOG=1']


def test_one_that_hangs_says_so_and_lets_the_watchdog_bite(systemd):
    tell_service_manager('engine det: an inference has not returned', is_well=False)
    assert heard(systemd) == ['READY=1', 'STATUS=engine det: an inference has not returned']


@pytest.mark.parametrize(
    'text',
    [
        pytest.param('broken\nMAINPID=1\r\nSTOPPING=1\x0bX=1\u2028Y=1', id='lines'),
        pytest.param('x' * 100_000, id='long'),
        pytest.param('\ud800 caf\xe9', id='not_unicode'),
        pytest.param('', id='empty'),
    ],
)
def test_texts_of_others_stay_one_line(systemd, text):
    tell_service_manager(text, is_well=True)
    _, status, watchdog = heard(systemd)
    assert status.startswith('STATUS=')
    assert len(status) < 600
    assert watchdog == 'WATCHDOG=1'


def test_who_does_not_read_holds_up_nobody(systemd):
    for _ in range(1000):  # more than a socket holds
        tell_service_manager('active', is_well=True)


def test_no_file_is_left_to_open(systemd):
    limits = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (0, limits[1]))
    try:
        tell_service_manager('active', is_well=True)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, limits)


def test_an_abstract_address(monkeypatch):
    with closing(socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)) as listener:
        listener.bind('\0jetson_perception_test')
        monkeypatch.setenv('NOTIFY_SOCKET', '@jetson_perception_test')
        tell_service_manager('active', is_well=True)
        assert heard(listener) == ['READY=1', 'STATUS=active', 'WATCHDOG=1']
