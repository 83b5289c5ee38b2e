"""Results as the bytes that go over the wire, without a message object for every box and keypoint.

To fill messages and to let rclpy convert them costs a quarter of a millisecond for 20 boxes and
more than half for 20 people with their keypoints, all of it with the interpreter's lock held: more
than a GPU takes to find them. Here the bytes of an object are made once a class, and those of a
message once for a row of classes; a frame copies them and writes its numbers in between, all
objects at once.

The bytes are plain CDR, little-endian, as every middleware of ROS 2 sends them. When it is made, a
writer has ROS read some of its bytes; where they are not the messages that they should be, it
fills messages as usual.
"""

from __future__ import annotations

import logging
import sys
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Generic, NamedTuple, TypeVar

import numpy as np
from builtin_interfaces.msg import Time
from rclpy.serialization import deserialize_message, serialize_message
from std_msgs.msg import Header

from jetson_perception.model_info import class_name_of
from jetson_perception.ros.result_messages import DetectionMessage, KeypointMessage, box_rows
from jetson_perception.tasks.results import Detections

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

log = logging.getLogger(__name__)

_ENCAPSULATION = (0, 1, 0, 0)  # CDR, little-endian
# Class ids of a broken model are without end.
_MOST_KEPT_OBJECTS = 4096
_MOST_KEPT_BLANKS = 64
_BOX_NUMBERS = 6  # score, center x and y, angle, width, height

_M = TypeVar('_M', DetectionMessage, KeypointMessage)


class _Object(NamedTuple):
    """Bytes of an object at one alignment, with zeros where a frame writes."""

    data: bytes
    first_number: int
    """Where the first of its numbers is; those after it are as far away in every object."""
    stamp: int
    """Where its header's stamp is; -1 for an object without."""
    track: int
    """Where the text of its id is."""


class _Blank(NamedTuple):
    """A message of objects of certain classes and lengths of ids, but for what frames write."""

    buffer: NDArray[np.uint8]
    """From byte 4 on the encapsulation, from byte 8 on the message."""
    end: int
    seconds: NDArray[np.intp]
    nanoseconds: NDArray[np.intp]
    numbers: NDArray[np.intp]
    """Where stamps and numbers are, in words and doubles from the beginning of the message."""
    tracks: NDArray[np.intp]
    """Where the characters of all ids are, one after another, in bytes."""


class _Cdr:
    """Writes CDR from a position on, which decides about padding; notes what is left open.

    Parameters
    ----------
    position : int
        Where in the message it begins.
    track_length : int
        Characters of the id that `open_track` leaves open.
    """

    def __init__(self, position: int = 0, track_length: int = 0) -> None:
        self._start = position
        self._track_length = track_length
        self.track = 0
        self.data = bytearray()
        self.numbers: list[int] = []
        self.stamp = -1

    def align(self, size: int) -> None:
        self.data += bytes(-(self._start + len(self.data)) % size)

    def uint32(self, value: int) -> None:
        self.align(4)
        self.data += value.to_bytes(4, 'little')

    def string(self, text: str) -> None:
        encoded = text.encode()
        self.uint32(len(encoded) + 1)
        self.data += encoded + b'\x00'

    def doubles(self, *values: float) -> None:
        self.align(8)
        self.data += np.array(values, '<f8').tobytes()

    def open_double(self) -> None:
        """A number that each frame writes."""
        self.align(8)
        self.numbers.append(len(self.data))
        self.data += bytes(8)

    def open_track(self) -> None:
        """The id of an object, which each frame writes."""
        self.uint32(self._track_length + 1)
        self.track = len(self.data)
        self.data += bytes(self._track_length + 1)

    def header(self, frame_id: str) -> None:
        self.align(4)
        self.stamp = len(self.data)
        self.data += bytes(8)
        self.string(frame_id)


class _Writer(Generic[_M]):
    """Makes the bytes of one kind of array message: a header, then objects.

    Parameters
    ----------
    class_names : sequence of str
        Name of class i at index i.
    twin : DetectionMessage or KeypointMessage
        Makes the same message as an object.
    """

    def __init__(self, class_names: Sequence[str], twin: _M) -> None:
        self._class_names = class_names
        self._twin: _M = twin
        self._frame_id: str | None = None
        self._head = b''
        # By the alignment that an object begins with, its class, and the length of its id.
        self._objects: dict[tuple[int, int, int], _Object] = {}
        # By the classes of their objects and the lengths of their ids, in order.
        self._blanks: dict[tuple[bytes, bytes], _Blank] = {}
        # From the first number of an object to each of its numbers, in numbers.
        self._pattern = np.zeros(0, np.intp)
        self._is_exact = sys.byteorder == 'little' and self._equals_ros()

    def fill(self, detections: Detections, header: Any) -> Any:
        """What to publish for a frame: bytes, or a message that is valid until the next call."""
        if self._is_exact:
            return self.serialize(detections, header)
        return self._twin.fill(detections, header)

    def serialize(self, detections: Detections, header: Any) -> bytes:
        """The message for one frame, as the bytes that a publisher takes."""
        if header.frame_id != self._frame_id or len(self._objects) > _MOST_KEPT_OBJECTS:
            self._begin(header.frame_id)
        tracks = b''
        lengths = b''  # where nothing tracks, nothing is looked up
        if detections.track_id is not None or detections.parent_ids is not None:
            names = detections.track_names()
            tracks, lengths = ''.join(names).encode(), bytes(map(len, names))
        key = detections.class_id.tobytes(), lengths
        blank = self._blanks.get(key)
        if blank is None:
            if len(self._blanks) >= _MOST_KEPT_BLANKS:
                self._blanks.clear()
            class_ids = detections.class_id.tolist()
            blank = self._new_blank(class_ids, lengths or bytes(len(class_ids)))
            self._blanks[key] = blank
        buffer = blank.buffer.copy()
        body = buffer[8:]
        words = body.view('<u4')
        words[blank.seconds] = header.stamp.sec & 0xFFFFFFFF
        words[blank.nanoseconds] = header.stamp.nanosec
        if len(detections):
            body.view('<f8')[blank.numbers] = self._numbers(detections)
        if tracks:
            body[blank.tracks] = np.frombuffer(tracks, np.uint8)
        return buffer[4 : blank.end].tobytes()

    def _begin(self, frame_id: str) -> None:
        """Start anew for images of another camera."""
        head = _Cdr()
        head.header(frame_id)
        head.uint32(0)  # how many objects
        self._frame_id, self._head = frame_id, bytes(head.data)
        self._objects, self._blanks = {}, {}

    def _new_blank(self, class_ids: list[int], track_lengths: bytes) -> _Blank:
        objects, parts, position = self._objects, [self._head], len(self._head)
        first_numbers, stamps, tracks = [], [0], list[int]()
        for class_id, length in zip(class_ids, track_lengths, strict=True):
            key = position & 7, class_id, length
            each = objects.get(key) or self._new_object(key)
            parts.append(each.data)
            first_numbers.append(position + each.first_number)
            if each.stamp >= 0:
                stamps.append(position + each.stamp)
            tracks += range(position + each.track, position + each.track + length)
            position += len(each.data)
        # The body begins at a multiple of 8, so that numbers can be written where they belong.
        buffer = np.zeros(8 + (position + 7 & ~7), np.uint8)
        buffer[4:8] = _ENCAPSULATION
        body = buffer[8:]
        body[:position] = np.frombuffer(b''.join(parts), np.uint8)
        body.view('<u4')[(len(self._head) >> 2) - 1] = len(class_ids)
        seconds = np.array(stamps) >> 2
        numbers = (np.array(first_numbers, np.intp) >> 3)[:, None] + self._pattern
        return _Blank(
            buffer, 8 + position, seconds, seconds + 1, numbers, np.array(tracks, np.intp)
        )

    def _new_object(self, key: tuple[int, int, int]) -> _Object:
        alignment, class_id, track_length = key
        cdr = _Cdr(alignment, track_length)
        self._write_object(cdr, class_name_of(self._class_names, class_id))
        self._pattern = (np.array(cdr.numbers) - cdr.numbers[0]) >> 3
        made = _Object(bytes(cdr.data), cdr.numbers[0], cdr.stamp, cdr.track)
        self._objects[key] = made
        return made

    def _write_object(self, cdr: _Cdr, class_name: str) -> None:
        raise NotImplementedError

    def _numbers(self, detections: Detections) -> NDArray[np.float64]:
        """The numbers that `_write_object` left open, in its order, (n, numbers)."""
        raise NotImplementedError

    def _equals_ros(self) -> bool:
        """Whether ROS reads in our bytes what it should."""
        try:
            read = all(
                self._is_read(frame_id, sample)
                for frame_id in ('', 'camera', 'left eye')
                for count in (0, 1, 5)
                for plain in (self._sample(count),)
                for sample in (plain, _tracked(plain), _turned(plain))
            )
        except Exception as error:  # noqa: BLE001 - whatever a middleware says to other bytes
            log.debug('%s: %s', type(self).__name__, error)
            read = False
        if not read:
            log.info(
                '%s: this ROS lays messages out otherwise; they are filled one by one, which is '
                'slower',
                type(self).__name__,
            )
        return read

    def _is_read(self, frame_id: str, sample: Detections) -> bool:
        header = Header(stamp=Time(sec=-5, nanosec=7 * 10**8), frame_id=frame_id)
        message, found = self._twin.fill(sample, header), self.serialize(sample, header)
        # What stands in the padding is anything, so that bytes cannot be compared.
        length = len(serialize_message(message))
        return len(found) == length and deserialize_message(found, type(message)) == message

    def _sample(self, count: int) -> Detections:
        numbers = np.random.default_rng(count)
        return Detections(
            numbers.random((count, 4), np.float32),
            numbers.random(count, np.float32),
            np.arange(count, dtype=np.int32),
        )


class DetectionBytes(_Writer[DetectionMessage]):
    """A Detection2DArray as bytes; as `DetectionMessage` fills it."""

    def __init__(self, class_names: Sequence[str]) -> None:
        super().__init__(class_names, DetectionMessage(class_names))

    def _write_object(self, cdr: _Cdr, class_name: str) -> None:
        cdr.header(self._frame_id or '')
        cdr.uint32(1)  # hypothesis
        cdr.string(class_name)
        cdr.open_double()  # score
        cdr.doubles(0, 0, 0, 0, 0, 0, 1, *[0] * 36)  # pose with covariance: none
        cdr.open_double()  # x
        cdr.open_double()  # y
        cdr.open_double()  # theta
        cdr.open_double()  # width
        cdr.open_double()  # height
        cdr.open_track()  # id

    def _numbers(self, detections: Detections) -> NDArray[np.float64]:
        numbers = np.empty((len(detections), _BOX_NUMBERS))
        _fill_score_and_box(numbers, detections)
        return numbers


class KeypointBytes(_Writer[KeypointMessage]):
    """A KeypointDetection2DArray as bytes; as `KeypointMessage` fills it."""

    def __init__(self, class_names: Sequence[str], keypoint_names: Sequence[str]) -> None:
        self._keypoint_names = keypoint_names
        super().__init__(class_names, KeypointMessage(class_names, keypoint_names))

    def _write_object(self, cdr: _Cdr, class_name: str) -> None:
        cdr.string(class_name)
        cdr.open_double()  # score
        cdr.open_double()  # x
        cdr.open_double()  # y
        cdr.open_double()  # theta
        cdr.open_double()  # width
        cdr.open_double()  # height
        cdr.uint32(len(self._keypoint_names))
        for name in self._keypoint_names:
            cdr.string(name)
            for _ in range(3):  # x, y, score
                cdr.open_double()
        cdr.open_track()  # id

    def _numbers(self, detections: Detections) -> NDArray[np.float64]:
        count, points = len(detections), len(self._keypoint_names)
        numbers = np.zeros((count, _BOX_NUMBERS + 3 * points))
        _fill_score_and_box(numbers, detections)
        if detections.keypoints is not None:
            numbers[:, _BOX_NUMBERS:] = detections.keypoints.reshape(count, -1)
        return numbers

    def _sample(self, count: int) -> Detections:
        sample = super()._sample(count)
        shape = count, len(self._keypoint_names), 3
        points = np.random.default_rng(count).random(shape, np.float32)
        return Detections(sample.xyxy, sample.score, sample.class_id, points)


def _turned(sample: Detections) -> Detections:
    """The same with oriented boxes."""
    turned = np.random.default_rng(1).random((len(sample), 5), np.float32)
    return replace(sample, oriented=turned)


def _tracked(sample: Detections) -> Detections:
    """The same with ids of several lengths, and an object without one."""
    return replace(sample, track_id=8 ** np.arange(len(sample), dtype=np.int64) - 2)


def _fill_score_and_box(numbers: NDArray[np.float64], detections: Detections) -> None:
    """Score, center, angle and size into the first columns."""
    numbers[:, 0] = detections.score
    numbers[:, 1:_BOX_NUMBERS] = box_rows(detections)
