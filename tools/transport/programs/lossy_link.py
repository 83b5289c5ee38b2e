#!/usr/bin/env python3
"""A cable between two network namespaces that loses packets and delays the others.

    lossy_link.py NAMESPACE DEVICE NAMESPACE DEVICE LOSS DELAY_MS

Makes a TAP device at either end, prints `ready`, and carries packets until it is killed. It loses
single packets, as a radio link does: of an image in a datagram of 64 kB, each of its 44 fragments
is a packet.
"""

from __future__ import annotations

import ctypes
import fcntl
import os
import random
import select
import struct
import sys
import time
from collections import deque

_TUNSETIFF = 0x400454CA
_TAP_WITHOUT_HEADER = 0x0002 | 0x1000
_CLONE_NEWNET = 0x40000000
_LARGEST_PACKET = 65536


def main() -> None:
    """Carry packets."""
    first, first_device, second, second_device, loss, delay_ms = sys.argv[1:]
    ends = [tap(first, first_device), tap(second, second_device)]
    print('ready', flush=True)
    carry(ends, float(loss), float(delay_ms) / 1e3)


def tap(namespace: str, device: str) -> int:
    """A new TAP device in a namespace, as a file descriptor."""
    libc = ctypes.CDLL(None, use_errno=True)
    with open(f'/run/netns/{namespace}') as file:
        if libc.setns(file.fileno(), _CLONE_NEWNET):
            raise OSError(ctypes.get_errno(), f'cannot enter the namespace {namespace}')
    end = os.open('/dev/net/tun', os.O_RDWR | os.O_NONBLOCK)
    fcntl.ioctl(end, _TUNSETIFF, struct.pack('16sH', device.encode(), _TAP_WITHOUT_HEADER))
    return end


def carry(ends: list[int], loss: float, delay_s: float) -> None:
    """Carry packets from either end to the other."""
    chance = random.Random(0)
    other = {ends[0]: ends[1], ends[1]: ends[0]}
    waiting: deque[tuple[float, int, bytes]] = deque()
    while True:
        until_s = max(0.0, waiting[0][0] - time.monotonic()) if waiting else None
        readable = select.select(ends, [], [], until_s)[0]
        now = time.monotonic()
        for end in readable:
            for packet in packets(end):
                if chance.random() >= loss:
                    waiting.append((now + delay_s, other[end], packet))
        while waiting and waiting[0][0] <= now:
            _, end, packet = waiting.popleft()
            send(end, packet)


def packets(end: int) -> list[bytes]:
    """What waits at an end, up to a hundred packets so that the other end has its turn."""
    found = []
    for _ in range(100):
        try:
            found.append(os.read(end, _LARGEST_PACKET))
        except BlockingIOError:
            break
    return found


def send(end: int, packet: bytes) -> None:
    """Give a packet to an end; it is lost where the device is not up yet."""
    try:
        os.write(end, packet)
    except OSError:
        return


if __name__ == '__main__':
    main()
