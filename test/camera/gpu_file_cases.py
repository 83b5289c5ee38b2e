"""Video files by a GPU beside the same by OpenCV: what a stand-in and a real one have to give."""

import av
import cv2
import numpy as np

from jetson_perception.camera import open_source
from jetson_perception.errors import EndOfStream
from jetson_perception.images.encodings import to_bgr

EVEN = list(range(0, 24 * 40, 40))
UNEVEN = [0, 33, 80, 90, 200, 201, 260, 300, 420, 430, 500, 533, 600, 640, 1700, 1740]
#: What colors may be apart: FFmpeg and OpenCV convert YUV with other roundings.
LEVELS, MEAN_LEVELS = 6, 1.7
KINDS = [
    ('plain.mp4', {'b_frames': 0}),
    ('reordered.mp4', {}),
    ('reordered.mkv', {}),
    ('reordered.ts', {}),
    ('reordered.mov', {}),
    ('h265.mp4', {'codec': 'libx265'}),
]
#: Matrix and range by FFmpeg's numbers, and the format of pixels.
COLORS = {
    'bt709': (1, 1, 'yuv420p'),
    'bt2020': (9, 1, 'yuv420p'),
    'bt601': (5, 1, 'yuv420p'),
    'bt709-full': (1, 2, 'yuvj420p'),
    'full': (2, 2, 'yuvj420p'),
}


def opened(path, decoder='auto', **more):
    source = open_source(f'file://{path}', frame_rate=0, video_decoder=decoder, **more)
    source.open()
    return source


def frames_of(source, most=200):
    """All frames to the end, and what is said then."""
    found = []
    try:
        while len(found) < most:
            found.append(source.read())
    except EndOfStream as end:
        return found, str(end)
    finally:
        source.close()
    return found, ''


def times_of(frames):
    return [(frame.index, frame.offset_ns) for frame in frames]


def apart(frame, bgr):
    """How far each value of a frame is from a picture's."""
    return np.abs(to_bgr(frame.pixels, frame.encoding).astype(np.int16) - bgr)


def pictures_of(path):
    """A video's pictures as FFmpeg converts them, by the colors that the video names.

    OpenCV before version 5 takes all for BT.601.
    """
    with av.open(str(path)) as video:
        return [frame.to_ndarray(format='bgr24') for frame in video.decode(video=0)]


def with_times(path):
    """Of how many frames OpenCV tells when they are shown.

    Before 5 it does not of the last ones of a decoder that holds some back, after which these
    follow as those before them did.
    """
    capture, told = cv2.VideoCapture(str(path)), []
    while capture.read()[0]:
        told.append(capture.get(cv2.CAP_PROP_POS_MSEC))
    capture.release()
    while len(told) > 1 and not told[-1]:
        told.pop()
    return len(told)


def check_same(path, **more):
    """The frames by the GPU, which have to be those that the CPU gives."""
    (ours, end), (others, other_end) = (
        frames_of(opened(path, decoder, native=True, **more)) for decoder in ('auto', 'cpu')
    )
    assert ours
    assert all(frame.on_device is not None for frame in ours)
    timed = with_times(path)
    assert times_of(ours)[:timed] == times_of(others)[:timed]
    assert len(ours) == len(others)
    assert end == other_end
    for frame, picture in zip(ours, pictures_of(path), strict=True):
        assert frame.size_wh == picture.shape[1::-1]
        far = apart(frame, picture)
        assert (far.max() <= LEVELS, far.mean() <= MEAN_LEVELS) == (True, True), far.mean()
    return ours
