"""The message packages of video topics, field for field, built where no distribution has them."""

from __future__ import annotations

import importlib.util
import os
import shutil
import subprocess
import sys

PACKAGES = {
    'ffmpeg_image_transport_msgs': (
        'FFMPEGPacket',
        'std_msgs/Header header\nint32 width\nint32 height\nstring encoding\nuint64 pts\n'
        'uint8 flags\nbool is_bigendian\nuint8[] data\n',
    ),
    'foxglove_msgs': (
        'CompressedVideo',
        'builtin_interfaces/Time timestamp\nstring frame_id\nuint8[] data\nstring format\n',
    ),
}

_MANIFEST = """<?xml version="1.0"?>
<package format="3">
  <name>{name}</name>
  <version>0.0.0</version>
  <description>Messages for a test.</description>
  <maintainer email="dev@example.com">The jetson_perception developers</maintainer>
  <license>Apache-2.0</license>
  <buildtool_depend>ament_cmake</buildtool_depend>
  <buildtool_depend>rosidl_default_generators</buildtool_depend>
  <depend>builtin_interfaces</depend>
  <depend>std_msgs</depend>
  <exec_depend>rosidl_default_runtime</exec_depend>
  <member_of_group>rosidl_interface_packages</member_of_group>
  <export><build_type>ament_cmake</build_type></export>
</package>
"""

_CMAKE = """cmake_minimum_required(VERSION 3.16)
project({name})
find_package(ament_cmake REQUIRED)
find_package(builtin_interfaces REQUIRED)
find_package(rosidl_default_generators REQUIRED)
find_package(std_msgs REQUIRED)
rosidl_generate_interfaces(${{PROJECT_NAME}} msg/{message}.msg
  DEPENDENCIES builtin_interfaces std_msgs)
ament_export_dependencies(rosidl_default_runtime)
ament_package()
"""


def are_there() -> bool:
    """Whether all of the packages can be imported as it is."""
    return all(importlib.util.find_spec(name) is not None for name in PACKAGES)


def build(folder) -> dict[str, str]:
    """Build the packages below a folder; returns the environment in which they are found."""
    if are_there():
        return dict(os.environ)
    for name, (message, fields) in PACKAGES.items():
        package = folder / 'src' / name
        (package / 'msg').mkdir(parents=True)
        (package / 'msg' / f'{message}.msg').write_text(fields)
        (package / 'package.xml').write_text(_MANIFEST.format(name=name))
        (package / 'CMakeLists.txt').write_text(_CMAKE.format(name=name, message=message))
    generator = [] if shutil.which('make') else ['-G', 'Ninja']
    command = [
        *('colcon', '--log-base', str(folder / 'log'), 'build', '--merge-install'),
        *('--base-paths', str(folder / 'src'), '--build-base', str(folder / 'build')),
        *('--install-base', str(folder / 'install'), '--cmake-args', *generator),
        *(f'-DPython3_EXECUTABLE={sys.executable}', '-DBUILD_TESTING=OFF'),
        '-DCMAKE_CXX_FLAGS=-O0',
    ]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f'{done.stdout[-3000:]}\n{done.stderr[-3000:]}'
    script = f'source {folder}/install/local_setup.bash && env -0'
    found = subprocess.run(['bash', '-c', script], capture_output=True, text=True, check=True)
    pairs = (each.partition('=') for each in found.stdout.split('\0') if each)
    return {name: value for name, _, value in pairs}
