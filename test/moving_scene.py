"""A scene that moves, as video packets of an encoder, and how like two pictures are."""

from fractions import Fraction

import av
import cv2
import numpy as np

from jetson_perception.images.video_stream import VideoPacket

ENCODERS = {'h264': 'libx264', 'hevc': 'libx265'}


def pictures(count, width=320, height=240):
    """Patches that slide by, and a red square on its own way."""
    coarse = np.random.default_rng(0).integers(0, 256, (height // 16, width // 16, 3), np.uint8)
    patches = cv2.resize(coarse, (width, height), interpolation=cv2.INTER_LINEAR)
    for number in range(count):
        bgr = np.roll(patches, 3 * number, axis=1)
        left = 5 * number % (width - 40)
        bgr[40:80, left : left + 40] = 0, 0, 255
        yield bgr


def encoded(bgrs, codec='h264', *, gop=10, b_frames=0, options=None, pix_fmt='yuv420p'):
    """(data, whether it is a keyframe, index of the picture) for each packet."""
    context, packets = None, []
    for number, bgr in enumerate(bgrs):
        if context is None:
            context = av.CodecContext.create(ENCODERS[codec], 'w')
            context.height, context.width = bgr.shape[:2]
            context.pix_fmt, context.time_base, context.gop_size = pix_fmt, Fraction(1, 30), gop
            context.max_b_frames = b_frames
            tune = {} if b_frames else {'tune': 'zerolatency'}
            context.options = {
                'preset': 'ultrafast' if not b_frames else 'medium',
                'crf': '18',
                'x265-params': 'log-level=none',
                **tune,
                **(options or {}),
            }
        frame = av.VideoFrame.from_ndarray(bgr, format='bgr24')
        frame.pts = number
        packets += context.encode(frame)
    packets += context.encode(None)
    return [(bytes(packet), packet.is_keyframe, packet.pts) for packet in packets]


def packets(bgrs, codec='h264', **options):
    """VideoPackets whose tags are the indices of their pictures."""
    return [VideoPacket(data, codec, index) for data, _, index in encoded(bgrs, codec, **options)]


def psnr(one, other):
    """How like two pictures are, dB; from 30 on people hardly see a difference."""
    return cv2.PSNR(np.ascontiguousarray(one), np.ascontiguousarray(other))
