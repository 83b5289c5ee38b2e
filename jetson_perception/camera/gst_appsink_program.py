"""A program that runs a GStreamer pipeline and writes its frames into shared memory.

`gst_appsink.GstAppsink` starts it with any Python that has PyGObject, often the system's own,
which may have neither NumPy nor this package: it imports nothing else. `--check` ends with 0 if it
can run at all; a number is that of a socket, of which each message is a JSON object:

- to us: `pipeline`, the words up to the sink, and `sync`, whether frames wait for their time;
- from us: `video`, the caps' width, height and format, and the bytes of a frame;
- to us, with the memory: `slots` and `slot_bytes`;
- from us: `slot`, where a frame lies now, `captured_ns`, since the epoch, and `shown_ns`, since
  the beginning of what is played, or null;
- to us: `free`, a slot that may be written again.

Errors are printed as gst-launch-1.0 prints them.
"""

from __future__ import annotations

import ctypes
import json
import mmap
import signal
import socket
import sys
import time
from typing import Any

_MESSAGE_BYTES = 1 << 20
_LOOK_EVERY_NS = 50_000_000
#: Older timestamps are no moments of capture, but of another clock.
_OLDEST_NS = 10_000_000_000


class _Pipeline:
    """A pipeline, running."""

    def __init__(self, words: list[str], *, sync: bool) -> None:
        self.pipeline = Gst.parse_launchv(words)
        self.sink = self.pipeline.get_by_name('jetson_perception_sink')
        self.bus = self.pipeline.get_bus()
        self.is_filling = False
        state = self.pipeline.set_state(Gst.State.PAUSED)
        #: A camera's frames come at the right time: waiting would only add to their age.
        self.is_live = state == Gst.StateChangeReturn.NO_PREROLL
        self.sink.set_property('sync', sync and not self.is_live)
        self.pipeline.set_state(Gst.State.PLAYING)

    def sample(self) -> Any:
        """The next sample; None at the end of the stream."""
        while True:
            sample = self.sink.try_pull_sample(_LOOK_EVERY_NS)
            self.handle_messages()
            if sample is not None or self.sink.is_eos():
                return sample

    def handle_messages(self) -> None:
        """Do as gst-launch-1.0 does with what elements report."""
        while True:
            message = self.bus.pop()
            if message is None:
                return
            if message.type == Gst.MessageType.ERROR:
                error, details = message.parse_error()
                say(f'ERROR: from element {message.src.get_path_string()}: {error.message}')
                sys.exit(f'Additional debug info:\n{details}')
            if message.type == Gst.MessageType.WARNING:
                warning, _ = message.parse_warning()
                say(f'WARNING: from element {message.src.get_path_string()}: {warning.message}')
            elif message.type == Gst.MessageType.LATENCY:
                self.pipeline.recalculate_latency()
            elif message.type == Gst.MessageType.CLOCK_LOST:
                self.pipeline.set_state(Gst.State.PAUSED)
                self.pipeline.set_state(Gst.State.PLAYING)
            elif message.type == Gst.MessageType.BUFFERING and not self.is_live:
                self.wait_to_fill(message.parse_buffering())

    def wait_to_fill(self, percent: int) -> None:
        """Hold a stream from the network until its queue is full."""
        is_filling = percent < 100
        if is_filling != self.is_filling:
            self.is_filling = is_filling
            self.pipeline.set_state(Gst.State.PAUSED if is_filling else Gst.State.PLAYING)

    def captured_ns(self, sample: Any) -> int:
        """When a live element captured it; now, where that is not known."""
        now_ns = time.time_ns()
        start = sample.get_buffer().pts
        if not self.is_live or start == Gst.CLOCK_TIME_NONE:
            return now_ns
        running = sample.get_segment().to_running_time(Gst.Format.TIME, start)
        if running == Gst.CLOCK_TIME_NONE:
            return now_ns
        clock = self.pipeline.get_pipeline_clock()
        age_ns: int = clock.get_time() - self.pipeline.get_base_time() - running
        return now_ns - age_ns if 0 <= age_ns <= _OLDEST_NS else now_ns

    def shown_ns(self, sample: Any) -> int | None:
        """When it is shown, after the beginning of what is played; None where nobody knows."""
        begin = sample.get_buffer().pts
        if begin == Gst.CLOCK_TIME_NONE:
            return None
        shown: int = sample.get_segment().to_stream_time(Gst.Format.TIME, begin)
        return None if shown == Gst.CLOCK_TIME_NONE else shown

    def close(self) -> None:
        """Let the camera go."""
        self.pipeline.set_state(Gst.State.NULL)


class _Slots:
    """Shared memory for some frames, and which of them may be written."""

    def __init__(self, descriptor: int, count: int, slot_bytes: int) -> None:
        self.memory = mmap.mmap(descriptor, count * slot_bytes)
        self.address = ctypes.addressof(ctypes.c_char.from_buffer(self.memory))
        self.slot_bytes = slot_bytes
        self.free = list(range(count))
        # PyGObject has only calls that copy twice.
        self.extract = ctypes.CDLL('libgstreamer-1.0.so.0').gst_buffer_extract
        self.extract.restype = ctypes.c_size_t
        address, size = ctypes.c_void_p, ctypes.c_size_t
        self.extract.argtypes = [address, size, address, size]

    def write(self, buffer: Any) -> int:
        """Copy a buffer into a slot; its number."""
        slot = self.free.pop()
        begin = self.address + slot * self.slot_bytes
        copied = self.extract(hash(buffer), 0, begin, self.slot_bytes)  # the hash is its address
        if copied != self.slot_bytes:
            sys.exit(f'ERROR: a frame has {copied} bytes; expected {self.slot_bytes}')
        return slot


def say(text: str) -> None:
    """Print a line, which the parent quotes if this program fails."""
    sys.stderr.write(f'{text}\n')
    sys.stderr.flush()


def received(connection: socket.socket) -> tuple[dict[str, Any], list[int]]:
    """The next message, and the descriptor that came with it; ends where nobody wants frames."""
    data, descriptors, _, _ = socket.recv_fds(connection, _MESSAGE_BYTES, 1)
    if not data:
        sys.exit(0)
    return json.loads(data), descriptors


def send(connection: socket.socket, **message: object) -> None:
    """Send a message; ends where nobody wants frames."""
    try:
        connection.send(json.dumps(message).encode())
    except ConnectionError:
        sys.exit(0)


def video_of(sample: Any) -> list[Any]:
    """Width, height and format of a sample."""
    caps = sample.get_caps().get_structure(0)
    return [caps.get_value('width'), caps.get_value('height'), caps.get_value('format')]


def run(connection: socket.socket) -> None:
    """Run the pipeline that is asked for, until it ends or nobody wants its frames."""
    wanted, _ = received(connection)
    try:
        pipeline = _Pipeline(wanted['pipeline'], sync=wanted['sync'])
    except GLib.Error as err:
        sys.exit(f'ERROR: erroneous pipeline: {err.message}')
    try:
        transfer(connection, pipeline)
    finally:
        pipeline.close()


def transfer(connection: socket.socket, pipeline: _Pipeline) -> None:
    """Hand over all frames."""
    video, slots = None, None
    while True:
        sample = pipeline.sample()
        if sample is None:
            return
        found = video_of(sample)
        if slots is None or found != video:
            video, slots = found, shared_slots(connection, found, sample.get_buffer().get_size())
        times = {
            'captured_ns': pipeline.captured_ns(sample),
            'shown_ns': pipeline.shown_ns(sample),
        }
        send(connection, slot=slots.write(sample.get_buffer()), **times)
        del sample  # a camera may have few buffers
        while not slots.free:
            slots.free.append(received(connection)[0]['free'])


def shared_slots(connection: socket.socket, video: list[Any], frame_bytes: int) -> _Slots:
    """Tell what comes; the memory that is given for it."""
    send(connection, video=video, frame_bytes=frame_bytes)
    while True:
        message, descriptors = received(connection)
        if descriptors:
            return _Slots(descriptors[0], message['slots'], message['slot_bytes'])


if __name__ == '__main__':
    import gi

    gi.require_version('Gst', '1.0')
    gi.require_version('GstApp', '1.0')
    from gi.repository import GLib, Gst, GstApp  # noqa: F401 - GstApp adds the methods of appsink

    if sys.argv[1] == '--check':
        sys.exit(not hasattr(socket, 'recv_fds'))  # since Python 3.9
    signal.signal(signal.SIGINT, lambda *_: sys.exit(0))
    Gst.init(None)
    with socket.socket(fileno=int(sys.argv[1])) as ours:
        run(ours)
