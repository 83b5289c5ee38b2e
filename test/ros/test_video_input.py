"""Packets to frames in a thread: in order, from keyframe to keyframe, none of them waited for."""

import threading
from contextlib import closing

import pytest
from moving_scene import packets, pictures, psnr
from nodes.support import unique_header
from rclpy.logging import get_logger

from jetson_perception.errors import ImageError
from jetson_perception.images.video_stream import VideoPacket
from jetson_perception.ros.video_input import MOST_WAITING, VideoInput

DEADLINE_S = 30.0


class Taking:
    """An input, what came of it, and a gate in the way of its frames."""

    def __init__(self, max_image_pixels=1920 * 1080):
        self.frames, self.rejected, self.errors, self.threads = [], [], [], set()
        self.gate = threading.Event()
        self.gate.set()
        self._changed = threading.Condition()
        self.input = VideoInput(
            '/camera/ffmpeg', max_image_pixels, self._offer, self._reject, get_logger('video')
        )
        self.headers = []

    def close(self):
        self.gate.set()
        self.input.close()

    def put(self, packet):
        header = unique_header()
        self.headers.append(header)
        self.input.put(packet, header, None)
        return header

    def _offer(self, frame):
        self.gate.wait(DEADLINE_S)
        self.threads.add(threading.current_thread())
        with self._changed:
            self.frames.append(frame)
            self._changed.notify_all()

    def _reject(self, header, error):
        with self._changed:
            self.rejected.append(header)
            if error is not None:
                self.errors.append(error)
            self._changed.notify_all()

    def wait_for(self, count):
        """Wait until so many packets have come to something."""
        with self._changed:
            assert self._changed.wait_for(
                lambda: len(self.frames) + len(self.rejected) >= count, DEADLINE_S
            )


@pytest.fixture
def taking():
    with closing(Taking()) as made:
        yield made


@pytest.mark.parametrize('codec', ['h264', 'hevc'])
def test_frames_are_the_pictures_with_their_headers(taking, codec):
    originals = list(pictures(20))
    for packet in packets(originals, codec):
        taking.put(packet)
    taking.wait_for(20)
    assert [frame.header for frame in taking.frames] == taking.headers
    assert {(frame.input_name, frame.encoding) for frame in taking.frames} == {
        ('/camera/ffmpeg', codec)
    }
    assert min(map(psnr, [frame.bgr() for frame in taking.frames], originals)) > 28
    assert threading.current_thread() not in taking.threads
    assert taking.input.silence() == ''


def test_what_comes_before_a_keyframe_is_counted_and_told_once(taking, capfd):
    for packet in packets(pictures(25))[4:]:
        taking.put(packet)
    taking.wait_for(21)
    assert taking.rejected == taking.headers[:6]
    assert [frame.header for frame in taking.frames] == taking.headers[6:]
    assert taking.errors == []
    said = capfd.readouterr().err
    assert said.count('the stream had begun before; waiting for the next keyframe') == 1


def test_a_lost_packet_is_told_once(taking, capfd):
    """Also where another reason was told a moment ago."""
    for packet in packets(pictures(40))[9:]:
        if packet.tag not in (13, 25):
            taking.put(packet)
    taking.wait_for(29)
    assert len(taking.frames) == 3 + 5 + 10
    said = capfd.readouterr().err
    assert said.count('a packet was lost; waiting for the next keyframe') == 1


def test_a_packet_that_is_none_is_an_error(taking):
    taking.put(VideoPacket(b'no packet', 'h264'))
    taking.wait_for(1)
    (error,) = taking.errors
    assert isinstance(error, ImageError)
    assert 'Annex B' in str(error)
    for packet in packets(pictures(3)):
        taking.put(packet)
    taking.wait_for(4)
    assert len(taking.frames) == 3


def test_a_decoder_that_falls_behind_goes_on_with_a_keyframe(taking, capfd):
    """Here it is held up by who takes its frames."""
    given = packets(pictures(MOST_WAITING + 40), gop=MOST_WAITING + 20)
    taking.gate.clear()
    for packet in given:
        taking.put(packet)
    taking.gate.set()
    taking.wait_for(len(given))
    kept = [frame.header for frame in taking.frames]
    assert kept[:-20] in ([], taking.headers[:1], taking.headers[:2])
    assert kept[-20:] == taking.headers[-20:]
    said = capfd.readouterr().err
    assert said.count('takes longer than its frames come: skipped') == 1


def test_the_codec_may_change(taking):
    for packet in (*packets(pictures(3)), *packets(pictures(3), 'hevc'), *packets(pictures(3))):
        taking.put(packet)
    taking.wait_for(9)
    assert [frame.encoding for frame in taking.frames] == ['h264'] * 3 + ['hevc'] * 3 + [
        'h264'
    ] * 3


def test_no_keyframe_is_a_silence_with_a_reason(taking, monkeypatch):
    monkeypatch.setattr('jetson_perception.ros.video_input.KEYFRAME_PATIENCE_S', 0.0)
    for packet in packets(pictures(8))[1:]:
        taking.put(packet)
    taking.wait_for(7)
    assert 'packets come on /camera/ffmpeg, but no keyframe for ' in taking.input.silence()
    taking.put(packets(pictures(1))[0])
    taking.wait_for(8)
    assert taking.input.silence() == ''


def test_closing_drops_what_waits(taking):
    taking.gate.clear()
    for packet in packets(pictures(30)):
        taking.put(packet)
    taking.gate.set()
    taking.input.close()
    count = len(taking.frames)
    taking.put(packets(pictures(1))[0])
    assert len(taking.frames) == count < 30
