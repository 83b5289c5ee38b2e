"""Python, OpenCV, GStreamer, ROS and its transport."""

from __future__ import annotations

import re
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from jetson_perception.dds import sockets
from jetson_perception.dds.middleware import is_dds
from jetson_perception.dds.segments import stale_files
from jetson_perception.doctor.finding import MISSING, OK, WARNING, Finding
from jetson_perception.errors import PerceptionError
from jetson_perception.installing import pip_install
from jetson_perception.printable import counted
from jetson_perception.resources import config_path

if TYPE_CHECKING:
    from collections.abc import Iterator

    from jetson_perception.doctor.machine import Machine

_PROFILES = ('FASTRTPS_DEFAULT_PROFILES_FILE', 'FASTDDS_DEFAULT_PROFILES_FILE')
_NO_ROS = 'none'
_SHM_NEEDED_BYTES = 48 << 20  # with less, our nodes make no segment there


def examine_software(machine: Machine) -> Iterator[Finding]:
    """Findings about Python and the libraries for pictures."""
    yield _python(machine)
    yield _opencv(machine)
    yield _gstreamer(machine)


def examine_ros(machine: Machine) -> Iterator[Finding]:
    """Findings about ROS 2 and about how images get from process to process."""
    found = machine.probe('ros')
    distribution = _distribution(machine, found)
    yield distribution
    if found.get('installed') is False and distribution.found == _NO_ROS:
        return  # nothing of it is asked for, so what it would need is of no interest
    if found.get('rmw'):
        yield _messages(found['messages'])
    rmw = found.get('rmw') or machine.environ.get('RMW_IMPLEMENTATION', '')
    if rmw:
        yield Finding('ROS', 'middleware', rmw)
    yield _profile(machine, rmw)
    by_dds = not rmw or is_dds(rmw)
    if by_dds:
        yield _shared_memory(machine)
    yield from _stale_files(machine)
    if by_dds:
        yield _receive_buffer(machine)


def _python(machine: Machine) -> Finding:
    found = machine.probe('python')
    if found.get('error') or not found.get('numpy'):
        reason = found.get('error') or 'NumPy is not installed'
        return Finding('software', 'Python', reason, MISSING, 'pip install numpy', needed=True)
    where = f'{found["executable"]}{", a virtual environment" if found["virtual"] else ""}'
    return Finding('software', 'Python', f'{found["version"]}, NumPy {found["numpy"]}; {where}')


def _opencv(machine: Machine) -> Finding:
    found = machine.probe('opencv')
    if found.get('version'):
        with_it = 'with GStreamer' if found.get('gstreamer') else 'without GStreamer'
        text = f'{found["version"]}, {with_it} (not needed: gst:// and csi:// do without)'
        return Finding('software', 'OpenCV', text)
    if found.get('error'):
        text = f'installed, but: {found["error"]}'
        advice = "one built for this NumPy is needed: for apt's OpenCV, pip install 'numpy<2'"
        return Finding('software', 'OpenCV', text, MISSING, advice, needed=True)
    advice = 'sudo apt-get install python3-opencv, or ' + pip_install('opencv-python-headless')
    return Finding('software', 'OpenCV', 'not installed', MISSING, advice, needed=True)


def _gstreamer(machine: Machine) -> Finding:
    path = machine.find_program('gst-launch-1.0')
    if path:
        version = re.search(r'version ([\d.]+)', machine.run(path, '--version').output)
        return Finding('software', 'GStreamer', f'{version[1] if version else "there"}, {path}')
    advice = (
        'for csi:// and gst://: sudo apt-get install gstreamer1.0-tools gstreamer1.0-plugins-good'
    )
    return Finding('software', 'GStreamer', 'no gst-launch-1.0', MISSING, advice)


def _distribution(machine: Machine, found: dict[str, Any]) -> Finding:
    name, distribution = 'distribution', machine.environ.get('ROS_DISTRO', '')
    installed = [path.rpartition('/')[2] for path in machine.glob('/opt/ros/*')]
    if found.get('installed') and not found.get('error'):
        return Finding('ROS', name, f'{distribution or "its name is unknown"}, rclpy imports')
    if distribution:
        reason = found.get('error') or 'this Python does not find rclpy'
        advice = (
            f'{distribution} works with the Python that it was built for: outside virtual '
            'environments, /usr/bin/python3'
        )
        return Finding('ROS', name, f'{distribution}, but: {reason}', MISSING, advice)
    if installed:
        advice = f'source /opt/ros/{installed[-1]}/setup.bash'
        return Finding('ROS', name, f'{", ".join(installed)}, not sourced', WARNING, advice)
    advice = 'for nodes only: install ROS 2 Jazzy (Ubuntu 24.04) or Humble (22.04)'
    return Finding('ROS', name, _NO_ROS, MISSING, advice)


def _messages(messages: dict[str, str]) -> Finding:
    lacking = [name.partition('.')[0] for name, problem in messages.items() if problem]
    if not lacking:
        return Finding('ROS', 'messages', ', '.join(name.partition('.')[0] for name in messages))
    advice = {
        'jetson_perception': 'build the package with colcon and source install/setup.bash',
        'vision_msgs': 'sudo apt-get install ros-$ROS_DISTRO-vision-msgs',
    }
    what_to_do = '; '.join(advice.get(name, f'install {name}') for name in lacking)
    return Finding('ROS', 'messages', f'lacking: {", ".join(lacking)}', MISSING, what_to_do)


def _profile(machine: Machine, rmw: str) -> Finding:
    name = 'Fast DDS profile'
    if rmw and 'fastrtps' not in rmw:
        return Finding('ROS', name, f'not used by {rmw}')
    files = {machine.environ[variable] for variable in _PROFILES if machine.environ.get(variable)}
    if not files:
        return Finding('ROS', name, 'none in this shell; our nodes choose transports themselves')
    file = sorted(files)[0]
    content = machine.text(file)
    sizes = [int(size) for size in re.findall(r'<segment_size>\s*(\d+)', content)]
    if not content:
        return Finding('ROS', name, f'{file} cannot be read', WARNING, 'mend the variable')
    if max(sizes, default=0) < 16 << 20:
        advice = (
            'our nodes take what it says, and most 1280×720 images are lost with it: unset the '
            f'variable, or take {_our_profile()}'
        )
        return Finding('ROS', name, f'{file}, without a large segment', WARNING, advice)
    return Finding('ROS', name, f'{file}, segment of {max(sizes) / 1e6:.0f} MB')


def _our_profile() -> str:
    try:
        return str(config_path('fastdds.xml'))
    except PerceptionError:
        return 'config/fastdds.xml of the package'


def _shared_memory(machine: Machine) -> Finding:
    name, mounts = '/dev/shm', machine.text('/proc/mounts')
    found = re.search(r'^\S+ /dev/shm tmpfs (\S+)', mounts, re.MULTILINE)
    if not found:
        advice = 'images go over UDP instead: mount a tmpfs there'
        return Finding('ROS', name, 'not mounted', WARNING, advice)
    size = re.search(r'\bsize=(\d+)([kmg]?)', found[1])
    if not size:
        return Finding('ROS', name, 'as large as half the memory')  # tmpfs without a size
    bytes_ = int(size[1]) << {'': 0, 'k': 10, 'm': 20, 'g': 30}[size[2]]
    text = f'{bytes_ / (1 << 20):.0f} MiB'
    if bytes_ < _SHM_NEEDED_BYTES:
        advice = 'too small for images, which go over UDP then; docker run --ipc=host'
        return Finding('ROS', name, text, WARNING, advice)
    return Finding('ROS', name, text)


def _stale_files(machine: Machine) -> Iterator[Finding]:
    """What dead processes left in shared memory, where there is any."""
    own: list[int] = []
    others: list[int] = []
    for path in stale_files(machine.root / 'dev' / 'shm'):
        with suppress(OSError):  # it has just been removed
            status = path.stat()
            (own if status.st_uid == machine.uid else others).append(status.st_size)
    name = 'shared memory'
    if own:
        advice = (
            'fastdds shm clean'
            if machine.find_program('fastdds')
            else 'end your nodes, then: find /dev/shm -user "$(id -u)" -name "*fast[rd]*" -delete'
        )
        yield Finding('ROS', name, f'{_left(own)} of dead processes', WARNING, advice)
    if others:
        advice = 'nothing here depends on it; their user, or root, may remove them'
        text = f'{_left(others)} of dead processes of other users'
        yield Finding('ROS', f'{name} of others', text, OK, advice)


def _left(sizes: list[int]) -> str:
    return f'{counted(len(sizes), "file")} ({sum(sizes) / 1e6:.0f} MB)'


def _receive_buffer(machine: Machine) -> Finding:
    name, size = 'net.core.rmem_max', machine.text('/proc/sys/net/core/rmem_max')
    if not size.isdecimal():
        return Finding('ROS', name, 'not to be seen from here')  # in many containers
    text = f'{int(size) / (1 << 20):.2f} MiB'
    if sockets.carries_images(int(size)):
        return Finding('ROS', name, text)
    advice = (
        f'images that come over UDP are lost, as those of other machines: {sockets.SYSCTL_LINE}'
    )
    return Finding('ROS', name, text, WARNING, advice)
