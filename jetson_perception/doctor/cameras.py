"""Cameras: what V4L2 devices give, and whether Jetson's CSI cameras can be opened."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from jetson_perception.doctor.board import is_jetson
from jetson_perception.doctor.finding import MISSING, OK, WARNING, Finding

if TYPE_CHECKING:
    from collections.abc import Iterator

    from jetson_perception.doctor.machine import Machine

_GROUP = 'cameras'
_MOST_FORMATS = 4
_CSI_DRIVER = 'tegra-video'


def examine_cameras(machine: Machine) -> Iterator[Finding]:
    """A finding for each camera, and one for CSI on a Jetson."""
    found = machine.probe('cameras')
    reason = found.get('error')
    if reason:
        yield Finding(_GROUP, 'V4L2', f'not examined: {reason}', WARNING, 'see OpenCV above')
    devices = found.get('devices', [])
    # CSI sensors show as devices of raw Bayer data; nvargus is the way to their pictures.
    sensors = [each['name'] for each in devices if each.get('driver') == _CSI_DRIVER]
    usual = [
        each
        for each in devices
        if each.get('error') or (each['captures'] and each['driver'] != _CSI_DRIVER)
    ]
    for device in usual:
        yield _v4l2(device)
    if is_jetson(machine):
        yield _csi(machine, sensors)
    if not usual and not sensors and not reason:
        advice = 'not needed for files, streams and topics of a camera driver'
        yield Finding(_GROUP, 'V4L2', 'no camera', OK, advice)


def _v4l2(device: dict[str, Any]) -> Finding:
    if device.get('error'):
        return Finding(_GROUP, device['device'], 'cannot be used', WARNING, device['error'])
    formats = [_format(each) for each in device['formats']]
    more = f', and {len(formats) - _MOST_FORMATS} more' if len(formats) > _MOST_FORMATS else ''
    text = '; '.join(formats[:_MOST_FORMATS]) + more or 'its driver names no formats'
    return Finding(_GROUP, device['device'], f'{device["name"]}: {text}')


def _format(each: dict[str, Any]) -> str:
    width, height = each['size']
    rate = f' {each["rates"][0]:g} Hz' if each['rates'] else ''
    return f'{each["format"]} {width}×{height}{rate}'


def _csi(machine: Machine, sensors: list[str]) -> Finding:
    plugin = machine.glob('/usr/lib/*/gstreamer-1.0/libgstnvarguscamerasrc.so')
    socket = machine.exists('/tmp/argus_socket')
    daemon = machine.exists('/usr/sbin/nvargus-daemon')
    told = f'sensors: {", ".join(sensors)}' if sensors else 'no sensor'
    if not plugin:
        advice = 'sudo apt-get install nvidia-l4t-gstreamer; in a container: --runtime nvidia'
        return Finding(_GROUP, 'CSI', f'{told}; no nvarguscamerasrc', MISSING, advice)
    if not socket:
        advice = (
            'sudo systemctl restart nvargus-daemon'
            if daemon
            else 'share the daemon of the host: docker run -v /tmp/argus_socket:/tmp/argus_socket'
        )
        verdict = WARNING if sensors else OK
        return Finding(_GROUP, 'CSI', f'{told}; nvargus-daemon does not run', verdict, advice)
    if not sensors:
        advice = 'to enable one: sudo /opt/nvidia/jetson-io/jetson-io.py, then restart'
        return Finding(_GROUP, 'CSI', f'{told}; nvargus-daemon runs', OK, advice)
    return Finding(_GROUP, 'CSI', f'{told}; nvargus-daemon runs')
