"""Formats of cameras, asked of a stand-in for the kernel with its own layout of the structures."""

from __future__ import annotations

import ctypes
import errno
import shutil
import subprocess

import pytest

from jetson_perception.camera import v4l2_formats
from jetson_perception.camera.v4l2_formats import describe_device

U8, U32 = ctypes.c_uint8, ctypes.c_uint32


def structure(**members):
    return type('Structure', (ctypes.Structure,), {'_fields_': list(members.items())})


# As <linux/videodev2.h> has them, unions of numbers as arrays.
Capability = structure(
    driver=U8 * 16, card=U8 * 32, bus=U8 * 32, version=U32, caps=U32, device_caps=U32, rest=U32 * 3
)
Format = structure(
    index=U32, type=U32, flags=U32, description=U8 * 32, pixelformat=U32, mbus=U32, rest=U32 * 3
)
Size = structure(index=U32, pixelformat=U32, type=U32, numbers=U32 * 6, rest=U32 * 2)
Interval = structure(
    index=U32, pixelformat=U32, width=U32, height=U32, type=U32, numbers=U32 * 6, rest=U32 * 2
)
DISCRETE, CONTINUOUS, STEPWISE = 1, 2, 3
CAPTURE, MPLANE, META, OUTPUT = 0x1, 0x1000, 0x800000, 0x2
HAS_DEVICE_CAPS = 0x80000000


def fourcc(text):
    return int.from_bytes(text.encode(), 'little')


class StandInCamera:
    """Stands for a kernel driver: answers the four questions, and EINVAL past the end.

    Strict: a structure of another size, or asked with another buffer type, fails the test.
    """

    def __init__(self, formats, caps=CAPTURE, buffer_type=1, name=b'HD Webcam', endless=False):
        self.formats, self.caps, self.name = formats, caps, name
        self.buffer_type, self.endless = buffer_type, endless

    def __call__(self, file, request, buffer):
        kinds = {
            0x80685600: (Capability, self.capability),
            0xC0405602: (Format, self.format),
            0xC02C564A: (Size, self.size),
            0xC034564B: (Interval, self.interval),
        }
        kind, answer = kinds[request]
        assert len(buffer) == ctypes.sizeof(kind) == (request >> 16) & 0x3FFF
        answer(kind.from_buffer(buffer))

    def capability(self, asked):
        asked.driver[:] = b'uvcvideo'.ljust(16, b'\0')
        asked.card[:] = self.name.ljust(32, b'\0')
        # A camera with a device for metadata lists what all its devices can.
        asked.caps = CAPTURE | META | HAS_DEVICE_CAPS
        asked.device_caps = self.caps

    def format(self, asked):
        assert asked.type == self.buffer_type
        asked.pixelformat = fourcc(self.nth(list(self.formats), asked.index))

    def size(self, asked):
        kind, *numbers = self.nth(list(self.of(asked)), asked.index)
        asked.type = kind
        asked.numbers[: len(numbers)] = numbers

    def interval(self, asked):
        sizes = self.of(asked)
        (rates,) = (
            rates
            for (kind, *numbers), rates in sizes.items()
            if asked.width == (numbers[0] if kind == DISCRETE else numbers[1])
        )
        kind, *numbers = self.nth(rates, asked.index)
        asked.type = kind
        asked.numbers[: len(numbers)] = numbers

    def of(self, asked):
        return self.formats[asked.pixelformat.to_bytes(4, 'little').decode()]

    def nth(self, values, index):
        if self.endless and values:
            return values[0]
        if index >= len(values):
            raise OSError(errno.EINVAL, 'no more')
        return values[index]


def described(camera):
    return describe_device('/dev/null', camera)


WEBCAM = {
    'YUYV': {(DISCRETE, 640, 480): [(DISCRETE, 1, 30), (DISCRETE, 1, 15)]},
    'MJPG': {
        (DISCRETE, 1920, 1080): [(DISCRETE, 1, 30)],
        (DISCRETE, 1280, 720): [(DISCRETE, 1, 15), (DISCRETE, 1001, 60000)],
    },
}


def test_a_camera_without_formats():
    assert described(StandInCamera({}))['formats'] == []


def test_a_webcam():
    found = described(StandInCamera(WEBCAM))
    assert found == {
        'device': '/dev/null',
        'name': 'HD Webcam',
        'driver': 'uvcvideo',
        'captures': True,
        'formats': [
            {'format': 'YUYV', 'size': (640, 480), 'rates': [30.0, 15.0]},
            {'format': 'MJPG', 'size': (1920, 1080), 'rates': [30.0]},
            {'format': 'MJPG', 'size': (1280, 720), 'rates': [59.94, 15.0]},
        ],
    }


def test_ranges_give_the_largest_size_and_the_highest_rate():
    sizes = {(STEPWISE, 32, 3280, 2, 32, 2464, 2): [(CONTINUOUS, 1, 90, 1, 1, 0, 0)]}
    found = described(StandInCamera({'Y16 ': sizes}))
    assert found['formats'] == [{'format': 'Y16', 'size': (3280, 2464), 'rates': [90.0]}]


def test_a_driver_that_names_no_rates():
    found = described(StandInCamera({'NV12': {(DISCRETE, 640, 480): []}}))
    assert found['formats'] == [{'format': 'NV12', 'size': (640, 480), 'rates': []}]


def test_multiplanar_devices_are_asked_as_such():
    found = described(StandInCamera(WEBCAM, caps=MPLANE, buffer_type=9))
    assert len(found['formats']) == 3


@pytest.mark.parametrize('caps', [META, OUTPUT])
def test_a_device_without_pictures(caps):
    found = described(StandInCamera(WEBCAM, caps=caps))
    assert found['captures'] is False
    assert found['formats'] == []


def test_a_driver_that_never_ends_is_left():
    formats = {'YUYV': {(STEPWISE, 1, 640, 1, 1, 480, 1): [(STEPWISE, 1, 30)]}}
    assert len(described(StandInCamera(formats, endless=True))['formats']) == 200


def test_a_name_that_is_not_text():
    assert described(StandInCamera({}, name=b'caf\xe9'))['name'] == 'caf�'


@pytest.mark.parametrize(
    ('device', 'error'),
    [
        pytest.param('/dev/no_such_video', FileNotFoundError, id='gone'),
        pytest.param('/dev/null', OSError, id='no_camera'),
    ],
)
def test_a_device_that_is_not_a_camera(device, error):
    with pytest.raises(error):
        describe_device(device)


@pytest.mark.skipif(shutil.which('gcc') is None, reason='needs gcc')
def test_numbers_and_sizes_are_those_of_the_kernel_header(tmp_path):
    names = ('QUERYCAP', 'ENUM_FMT', 'ENUM_FRAMESIZES', 'ENUM_FRAMEINTERVALS')
    lines = ''.join(f'printf("%lu ", (unsigned long)VIDIOC_{name});' for name in names)
    source = tmp_path / 'numbers.c'
    source.write_text(
        f'#include <linux/videodev2.h>\n#include <stdio.h>\nint main(){{{lines}return 0;}}'
    )
    built = subprocess.run(
        ['gcc', str(source), '-o', str(tmp_path / 'numbers')], check=False, capture_output=True
    )
    if b'videodev2.h' in built.stderr:
        pytest.skip('the kernel headers are not installed')
    output = subprocess.check_output([tmp_path / 'numbers'], text=True)
    ours = [getattr(v4l2_formats, f'_{name}') for name in names]
    assert [int(number) for number in output.split()] == ours
    layouts = ('_CAPABILITY', '_FORMAT', '_SIZE', '_INTERVAL')
    sizes = [getattr(v4l2_formats, layout).size for layout in layouts]
    assert [(number >> 16) & 0x3FFF for number in ours] == sizes
