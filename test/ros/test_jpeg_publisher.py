"""Images sent as JPEG beside what captures them: the newest; those that are not are counted."""

import cv2
import numpy as np
import pytest
from nodes.support import unique_header, with_stamp_of
from sensor_msgs.msg import CompressedImage

from jetson_perception.images import encodings
from jetson_perception.ros import qos
from jetson_perception.ros.jpeg_publisher import JpegPublisher
from jetson_perception.ros.picture_parameters import JpegParams

DEADLINE_S = 30


@pytest.fixture
def jpegs(peer):
    made = JpegPublisher(peer.node, 'compressed', qos.RESULTS, JpegParams)
    yield made
    made.close(DEADLINE_S)
    made.destroy()


def hearing(peer, jpegs):
    """What comes on the topic, once somebody listens."""
    heard = peer.collect('compressed', CompressedImage)
    peer.wait_for(jpegs.topic.get_subscription_count, 'the subscriber')
    return heard


def large(gray, side=6000):
    """An image that takes far longer to encode than to copy."""
    return np.full((side, side), gray, np.uint8)


def test_nothing_is_encoded_while_nobody_subscribes_or_before_the_start(peer, jpegs):
    jpegs.give(large(9), 'mono8', unique_header())
    jpegs.start()
    jpegs.give(large(9), 'mono8', unique_header())
    jpegs.send(large(9), 'mono8', unique_header())
    assert jpegs.counts() == (0, 0, 0.0, 0, '')


def test_the_newest_is_sent_and_what_was_not_is_counted(peer, jpegs):
    heard = hearing(peer, jpegs)
    jpegs.start()
    pixels = np.empty((6000, 6000), np.uint8)
    headers = [unique_header() for _ in range(8)]
    for gray, header in enumerate(headers):
        pixels[:] = gray * 30  # the camera writes into its own memory again
        jpegs.give(pixels, 'mono8', header)
    newest = CompressedImage(header=headers[-1])
    (msg,) = peer.wait_for(lambda: with_stamp_of(heard, newest), 'the newest image')
    assert jpegs.close(DEADLINE_S) is None
    counts = jpegs.counts()
    assert counts == (0, 0, 0.0, 0, '')  # counted from start to close
    assert len(heard) < len(headers)
    for each in heard:
        gray = [header.stamp for header in headers].index(each.header.stamp) * 30
        decoded = encodings.decode_compressed(each.data)
        assert abs(int(decoded[0, 0, 0]) - gray) <= 2
        assert decoded.min() == decoded.max()  # nothing of a later image in it
    assert msg.format == 'bgr8; jpeg compressed bgr8'


def test_counts_until_it_is_closed(peer, jpegs):
    heard = hearing(peer, jpegs)
    jpegs.start()
    given = 6
    for _ in range(given):
        jpegs.give(large(9), 'mono8', unique_header())
    peer.wait_for(lambda: jpegs.counts()[:2] == (len(heard), given - len(heard)), 'the counts')
    assert jpegs.counts().skipped > 0
    jpegs.close(DEADLINE_S)
    jpegs.start()
    assert jpegs.counts() == (0, 0, 0.0, 0, '')
    jpegs.give(large(9, 30), 'mono8', unique_header())  # another size
    peer.wait_for(lambda: jpegs.counts().sent == 1, 'an image after another start')


def test_to_send_at_once_needs_no_thread(peer, jpegs):
    heard = hearing(peer, jpegs)
    header = unique_header()
    jpegs.send(large(200, 30), 'mono8', header)
    peer.wait_for(lambda: with_stamp_of(heard, CompressedImage(header=header)), 'the image')
    assert jpegs.activity is None


class TestJpegs:
    """Images that a camera has compressed."""

    PICTURE = np.full((48, 64, 3), 90, np.uint8)

    def sent(self, peer, jpegs, data):
        heard = hearing(peer, jpegs)
        header = unique_header()
        jpegs.send(np.frombuffer(data, np.uint8), encodings.JPEG, header)
        sent = CompressedImage(header=header)
        (msg,) = peer.wait_for(lambda: with_stamp_of(heard, sent), 'the image')
        return msg

    def test_are_sent_as_they_are(self, peer, jpegs):
        data = cv2.imencode('.jpg', self.PICTURE)[1].tobytes()
        assert self.sent(peer, jpegs, data).data.tobytes() == data

    def test_without_tables_are_made_anew(self, peer, jpegs):
        data = without_huffman_tables(cv2.imencode('.jpg', self.PICTURE)[1].tobytes())
        msg = self.sent(peer, jpegs, data)
        assert b'\xff\xc4' in msg.data.tobytes()
        assert np.abs(encodings.decode_compressed(msg.data).astype(int) - 90).max() <= 2


def without_huffman_tables(data):
    """A JPEG as cameras send it in a stream, where all have the same tables."""
    kept, position = data[:2], 2
    while data[position + 1] != 0xDA:  # the start of the scan
        end = position + 2 + int.from_bytes(data[position + 2 : position + 4], 'big')
        if data[position + 1] != 0xC4:
            kept += data[position:end]
        position = end
    return kept + data[position:]
