"""Packages that only some uses need, and which these are."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from jetson_perception.doctor.finding import MISSING, WARNING, Finding
from jetson_perception.installing import pip_install

if TYPE_CHECKING:
    from collections.abc import Iterator

    from jetson_perception.doctor.machine import Machine

_GROUP = 'packages for some uses'


class _Package(NamedTuple):
    module: str  # what the uses import
    uses: str
    oldest: int = 0  # the first major version that all uses can do with
    install: str = ''  # how to, where pip has it not


_PACKAGES = {
    'av': _Package('av', 'video topics, and annotated videos that browsers play', 17),
    'simplejpeg': _Package('simplejpeg', 'JPEG decoded faster, and more of its damage seen'),
    'rosbags': _Package('rosbags.highlevel', 'bag://, bags in commands, and recordings'),
    'aiohttp': _Package('aiohttp', 'the live view in a browser'),
    'onnx': _Package('onnx', 'quantize, build-engine, and FP16 or INT8 made of FP32 models'),
    'pycocotools': _Package('pycocotools.cocoeval', 'evaluate of detectors'),
    'matplotlib': _Package('matplotlib.pyplot', '--plot of commands'),
    'foxglove_msgs': _Package(
        'foxglove_msgs.msg',
        "yolo_node's annotations for Foxglove, and its video topics",
        install='sudo apt-get install ros-$ROS_DISTRO-foxglove-msgs',
    ),
}


OPTIONAL_MODULES = tuple(package.module for package in _PACKAGES.values())
"""What is imported of them."""


def examine_optional_packages(machine: Machine) -> Iterator[Finding]:
    """A finding for each package."""
    for name, package in _PACKAGES.items():
        yield _examine(machine, name, package)


def _examine(machine: Machine, name: str, package: _Package) -> Finding:
    found = machine.probe('module', package.module)
    wanted = f"'{name}>={package.oldest}'" if package.oldest else name
    advice = f'for {package.uses}: {package.install or pip_install(wanted)}'
    if found.get('error'):
        return Finding(_GROUP, name, f'installed, but: {found["error"]}', MISSING, advice)
    if not found.get('installed'):
        return Finding(_GROUP, name, 'not installed', MISSING, advice)
    version = found.get('version', '')
    major = version.partition('.')[0]
    if major.isdecimal() and int(major) < package.oldest:
        text = f'{version}; some uses need {package.oldest}'
        return Finding(_GROUP, name, text, WARNING, advice)
    return Finding(_GROUP, name, version or 'there')
