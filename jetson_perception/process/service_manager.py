"""Tells systemd how a process is, where systemd started it and asks (`docs/deploy.md`).

With `Type=notify` it has started once it says anything; with `WatchdogSec=`, systemd ends and
restarts a process that does not say for so long that it is well. Elsewhere nothing is said.
"""

from __future__ import annotations

import os
import socket
from contextlib import suppress

_MOST_LETTERS = 500
_WITHOUT_WAITING = socket.SOCK_DGRAM | socket.SOCK_NONBLOCK


def tell_service_manager(status: str, *, is_well: bool) -> None:
    """Say how this process is; call it once a second. Fails silently: it must not end a node.

    Parameters
    ----------
    status : str
        For people, as `systemctl status` shows it.
    is_well : bool
        False lets the watchdog's time run out.
    """
    address = os.environ.get('NOTIFY_SOCKET', '')
    if not address.startswith(('/', '@')):
        return
    # A line each: texts of others must not look like another line.
    text = f'READY=1\nSTATUS={" ".join(status.split())[:_MOST_LETTERS]}\n'
    if is_well:
        text += 'WATCHDOG=1\n'
    # An @ stands for the zero that an abstract name begins with.
    name = '\0' + address[1:] if address[0] == '@' else address
    with suppress(OSError), socket.socket(socket.AF_UNIX, _WITHOUT_WAITING) as sender:
        sender.sendto(text.encode(errors='replace'), name)
